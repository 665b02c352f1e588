//! What is counted, and where.

use std::path::{Path, PathBuf};

use crate::{
    host::{
        cgroup::{Hierarchies, Resource, Version},
        limit_file::cgroup_folder,
    },
    model::{CgroupOwner, Limit, LimitKind, Owner, UserNamespaceOwner},
};

/// How a process fills a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// By its tasks: threads, and zombies.
    Tasks,
    /// By resident anonymous and shared memory (RssAnon, RssShmem). A page is
    /// charged to the cgroup that first used it: what a child shares with a parent
    /// elsewhere is resident and not charged here. Page cache and the kernel's own
    /// memory are charged, and no file says by whom.
    Resident,
    /// By private writable address space (VmData, VmStk), used or not: what
    /// Committed_AS adds up, but for shared memory.
    Private,
}

/// Whose tasks a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of a cgroup and of all below it.
    Cgroup {
        /// Its folder.
        folder: PathBuf,
        /// Its path, as /proc/PID/cgroup names it here.
        path: PathBuf,
        /// Which files list its tasks.
        version: Version,
        /// Tasks or memory.
        fill: Fill,
    },
    /// Those of a user, as RLIMIT_NPROC counts.
    User {
        /// Real uid.
        uid: u32,
        /// Since 5.14: the user namespace in which they are counted. Tasks in
        /// namespaces that the user has created there count, whoever they are.
        userns: Option<u32>,
    },
    /// Those with an id in a pid namespace: its own, and of those below.
    PidNamespace {
        /// Its inode number.
        inum: u32,
    },
    /// All.
    Host {
        /// Tasks or memory.
        fill: Fill,
    },
}

impl Scope {
    /// By what processes fill it.
    pub fn fill(&self) -> Fill {
        match self {
            Self::Cgroup { fill, .. } | Self::Host { fill } => *fill,
            Self::User { .. } | Self::PidNamespace { .. } => Fill::Tasks,
        }
    }

    /// Whom a limit counts; `None` for one that only the caller fills (RLIMIT_AS,
    /// vm.max_map_count), that is about one request (vm.overcommit_memory=0), or whose
    /// holders no file names (kernel memory, namespaces).
    pub fn of_limit(limit: &Limit, hierarchies: &Hierarchies) -> Option<Self> {
        let fill = Fill::of_limit(&limit.kind)?;
        match &limit.owner {
            Owner::Cgroup(owner) => of_cgroup(limit, owner, fill, hierarchies),
            Owner::User { uid, .. } => Some(of_user(limit, *uid)),
            Owner::UserNamespace(UserNamespaceOwner { counted, .. }) => {
                Some(of_user(limit, (*counted)?))
            }
            Owner::PidNamespace { inum } => Some(Self::PidNamespace { inum: *inum }),
            Owner::Host => Some(Self::Host { fill }),
            Owner::OwnPidNamespace | Owner::Scheduler { .. } | Owner::Process | Owner::Named(_) => {
                None
            }
        }
    }
}

impl Fill {
    /// How a process fills a limit of this kind, where others than the caller do.
    fn of_limit(kind: &LimitKind) -> Option<Self> {
        match kind {
            LimitKind::PidsMax
            | LimitKind::RlimitNproc
            | LimitKind::PidMax
            | LimitKind::ThreadsMax => Some(Self::Tasks),
            LimitKind::MemoryMax | LimitKind::MemoryLimit => Some(Self::Resident),
            LimitKind::CommitLimit => Some(Self::Private),
            _ => None,
        }
    }
}

/// The tasks of a user, in the user namespace that the limit is counted in.
fn of_user(limit: &Limit, uid: u32) -> Scope {
    let userns = match &limit.within {
        Some(Owner::UserNamespace(namespace)) => Some(namespace.inum),
        _ => None,
    };
    Scope::User { uid, userns }
}

fn of_cgroup(
    limit: &Limit,
    owner: &CgroupOwner,
    fill: Fill,
    hierarchies: &Hierarchies,
) -> Option<Scope> {
    let controller = Resource::of_limit(&limit.kind)?.controller();
    let (hierarchy, version) = hierarchies.of_controller(controller);
    let of_file = cgroup_folder(limit).map(Path::to_owned);
    let folder = of_file.or_else(|| {
        // A name that is no UTF-8, or a cgroup namespace: found by its id.
        let path = owner.path.as_deref().unwrap_or("/");
        hierarchies.locate(hierarchy, Path::new(path), owner.id?)
    })?;
    Some(Scope::Cgroup {
        path: hierarchies.path_of(hierarchy, &folder)?,
        folder,
        version,
        fill,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unit;

    #[test]
    fn whom_a_limit_counts_is_its_owner_s_to_say() {
        let mounts = Hierarchies::default();
        let of = |kind, owner, within: Option<u32>| {
            let limit = Limit {
                within: within.map(Owner::user_namespace),
                ..Limit::new(kind, owner, Unit::Tasks)
            };
            Scope::of_limit(&limit, &mounts)
        };
        let user = |uid, userns| Some(Scope::User { uid, userns });
        let nproc = LimitKind::RlimitNproc;
        assert_eq!(of(nproc.clone(), Owner::user(5), Some(7)), user(5, Some(7)));
        assert_eq!(of(nproc.clone(), Owner::user(5), None), user(5, None));
        let creators = Owner::UserNamespace(UserNamespaceOwner {
            inum: 9,
            counted: Some(1000),
        });
        assert_eq!(of(nproc.clone(), creators, Some(7)), user(1000, Some(7)));
        // A recording doesn't have the creator.
        assert_eq!(of(nproc, Owner::user_namespace(9), None), None);
        assert_eq!(
            of(LimitKind::PidMax, Owner::PidNamespace { inum: 3 }, None),
            Some(Scope::PidNamespace { inum: 3 })
        );
        let host = |fill| Some(Scope::Host { fill });
        assert_eq!(of(LimitKind::PidMax, Owner::Host, None), host(Fill::Tasks));
        assert_eq!(
            of(LimitKind::CommitLimit, Owner::Host, None),
            host(Fill::Private)
        );
        for (kind, owner) in [
            (LimitKind::RamAndSwap, Owner::Host),
            (LimitKind::RlimitAs, Owner::Process),
            (LimitKind::PidNamespace, Owner::PidNamespace { inum: 3 }),
            (LimitKind::MaxUserNamespaces, Owner::user(5)),
            (LimitKind::KernelMemoryLimit, Owner::cgroup("/a")),
        ] {
            assert_eq!(of(kind, owner, None), None);
        }
    }
}
