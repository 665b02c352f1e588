//! Whose tasks or memory fill a limit.

use std::path::{Path, PathBuf};

use crate::{
    host::{
        cgroup::{Controller, Hierarchies},
        holders::{Fill, Scope},
    },
    model::{CgroupOwner, Limit, LimitKind, Owner, UserNamespaceOwner},
};

/// What to count; `None` for a limit that only the caller fills (RLIMIT_AS,
/// vm.max_map_count), that is about one request (vm.overcommit_memory=0), or
/// whose holders no file tells (kernel memory, namespaces).
pub fn scope(limit: &Limit, hierarchies: &Hierarchies) -> Option<Scope> {
    let fill = fill(&limit.kind)?;
    match &limit.owner {
        Owner::Cgroup(owner) => cgroup(limit, owner, fill, hierarchies),
        Owner::User { uid, .. } => user(limit, *uid),
        Owner::UserNamespace(UserNamespaceOwner { counted, .. }) => user(limit, (*counted)?),
        Owner::PidNamespace { inum } => Some(Scope::PidNamespace { inum: *inum }),
        Owner::Host => Some(Scope::Host { fill }),
        _ => None,
    }
}

/// How a process fills a limit of this kind, where others than the caller do.
fn fill(kind: &LimitKind) -> Option<Fill> {
    match kind {
        LimitKind::PidsMax | LimitKind::RlimitNproc | LimitKind::PidMax | LimitKind::ThreadsMax => {
            Some(Fill::Tasks)
        }
        LimitKind::MemoryMax | LimitKind::MemoryLimit => Some(Fill::Resident),
        LimitKind::CommitLimit => Some(Fill::Private),
        _ => None,
    }
}

/// The tasks of a user, in the user namespace that the limit is counted in.
fn user(limit: &Limit, uid: u32) -> Option<Scope> {
    let userns = match &limit.within {
        Some(Owner::UserNamespace(namespace)) => Some(namespace.inum),
        _ => None,
    };
    Some(Scope::User { uid, userns })
}

fn cgroup(
    limit: &Limit,
    owner: &CgroupOwner,
    fill: Fill,
    hierarchies: &Hierarchies,
) -> Option<Scope> {
    let controller = match fill {
        Fill::Tasks => Controller::Pids,
        Fill::Resident | Fill::Private => Controller::Memory,
    };
    let (hierarchy, version) = hierarchies.of_controller(controller);
    let of_file = || -> Option<PathBuf> {
        let folder = Path::new(limit.file.as_ref()?).parent()?;
        folder.is_dir().then(|| folder.to_owned())
    };
    let folder = of_file().or_else(|| {
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
