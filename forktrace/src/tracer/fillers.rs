//! Whose tasks or memory fill the limit of a verdict.

use std::path::{Path, PathBuf};

use crate::{
    cause::{Cause, Verdict},
    evidence::{CgroupLimit, Evidence, NprocLevel},
    host::{
        cgroup::{Controller, Hierarchies},
        holders::{Fill, Scope},
    },
    record::Limit,
};

/// What to count; `None` for a limit that only the caller fills (RLIMIT_AS,
/// vm.max_map_count), that is about one request (vm.overcommit_memory=0), or
/// whose holders no file tells (kernel memory, namespaces).
pub fn scope(verdict: &Verdict, evidence: &Evidence, hierarchies: &Hierarchies) -> Option<Scope> {
    let limit = verdict.limit.as_ref()?;
    match verdict.cause {
        Cause::CgroupPidsMax => {
            let all = evidence.pids_full.iter().chain(&evidence.pids);
            cgroup(limit, all, Controller::Pids, Fill::Tasks, hierarchies)
        }
        Cause::CgroupMemoryMax => {
            let all = evidence.memory_refused.iter().chain(&evidence.memory);
            cgroup(limit, all, Controller::Memory, Fill::Resident, hierarchies)
        }
        Cause::RlimitNproc => {
            let all = evidence.nproc_full.iter().chain(&evidence.nproc);
            let level = all.into_iter().find(|level| is_of(level, limit))?;
            Some(Scope::User {
                uid: level.uid,
                userns: level.userns,
            })
        }
        Cause::PidMax if limit.scope != "host" => {
            let mut all = evidence.pid_ns.iter();
            let ns = all.find(|ns| limit.scope == format!("pid namespace {}", ns.inum))?;
            Some(Scope::PidNamespace { inum: ns.inum })
        }
        Cause::PidMax | Cause::ThreadsMax => Some(Scope::Host { fill: Fill::Tasks }),
        Cause::Overcommit if limit.name == "CommitLimit" => Some(Scope::Host {
            fill: Fill::Private,
        }),
        _ => None,
    }
}

fn is_of(level: &NprocLevel, limit: &Limit) -> bool {
    limit.scope
        == match level.limit_userns {
            None => format!("uid {}", level.uid),
            Some(inum) => format!("user namespace {inum}"),
        }
}

fn cgroup<'a>(
    limit: &Limit,
    mut all: impl Iterator<Item = &'a CgroupLimit>,
    controller: Controller,
    fill: Fill,
    hierarchies: &Hierarchies,
) -> Option<Scope> {
    let cgroup = all.find(|cgroup| match &cgroup.path {
        Some(path) => *path == limit.scope,
        None => limit.scope == format!("cgroup id {}", cgroup.id),
    })?;
    let (hierarchy, version) = hierarchies.of_controller(controller);
    let of_file = || -> Option<PathBuf> {
        let folder = Path::new(cgroup.file.as_ref()?).parent()?;
        folder.is_dir().then(|| folder.to_owned())
    };
    let folder = of_file().or_else(|| {
        // A name that is no UTF-8, or a cgroup namespace: found by its id.
        let path = cgroup.path.as_deref().unwrap_or("/");
        hierarchies.locate(hierarchy, Path::new(path), cgroup.id)
    })?;
    Some(Scope::Cgroup {
        path: hierarchies.path_of(hierarchy, &folder)?,
        folder,
        version,
        fill,
    })
}
