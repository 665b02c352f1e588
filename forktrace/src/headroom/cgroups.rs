//! pids.max and memory.max of cgroups, and v1's memory.memsw.limit_in_bytes and memory.kmem.limit_in_bytes.
//!
//! kernel/cgroup/pids.c `pids_try_charge` compares the count of tasks in each
//! cgroup from the task's own up to below the root; mm/memcontrol.c
//! `try_charge_memcg` does the same with memory, after reclaim.

use super::{
    Refuses, Row,
    row::{fill, limit, row},
};
use crate::{
    cause::unit_limit,
    host::{
        cgroup::{CgroupUse, Resource},
        holders::{Fill, Scope},
        identity,
        readings::{Readings, Subject},
    },
    model::{Owner, Unit, bytes},
};

pub(super) fn rows(readings: &Readings) -> Vec<Row> {
    let asked = match &readings.subject {
        Subject::Cgroup { path, .. } => Some(path),
        _ => None,
    };
    let row = |cgroup: &CgroupUse| {
        let mut row = one(cgroup);
        row.below = asked.is_some_and(|at| cgroup.path.starts_with(at) && cgroup.path != *at);
        let unit_limit = readings.unit_limits.get(&cgroup.file).zip(cgroup.limit);
        let note = unit_limit.map(|(p, value)| unit_limit::note(p, value, row.limit.unit));
        row.notes.extend(note);
        row
    };
    readings.cgroups.iter().map(row).collect()
}

fn one(cgroup: &CgroupUse) -> Row {
    let unit = match cgroup.resource {
        Resource::Pids => Unit::Tasks,
        Resource::Memory | Resource::MemoryAndSwap | Resource::KernelMemory => Unit::Bytes,
    };
    let path = cgroup.path.to_string_lossy();
    let mut limit = limit(
        cgroup.resource.limit_kind(cgroup.version),
        Owner::cgroup(&*path),
        cgroup.limit,
        Some(cgroup.usage),
        unit,
    );
    limit.file = Some(cgroup.file.to_string_lossy().into_owned());
    let mut row = row(Refuses::Tasks, limit);
    row.owner = owner(&path);
    let fill_of = match cgroup.resource {
        Resource::Pids => Some(Fill::Tasks),
        Resource::Memory => Some(Fill::Resident),
        // No file says whose it is; nor is swap counted of its holders.
        Resource::MemoryAndSwap | Resource::KernelMemory => None,
    };
    let folder = cgroup.file.parent().zip(fill_of);
    row.counts = folder.map(|(folder, fill)| Scope::Cgroup {
        folder: folder.to_owned(),
        path: cgroup.path.clone(),
        version: cgroup.version,
        fill,
    });
    let has_cache = matches!(cgroup.resource, Resource::Memory | Resource::MemoryAndSwap);
    if has_cache && cgroup.limit.is_some() {
        let cache = cgroup.reclaimable.min(cgroup.usage);
        row.reclaimable = Some(cache);
        fill(&mut row);
        if cache > 0 {
            row.notes.push(format!(
                "{} of its {} are page cache and the like, which the kernel takes back first",
                bytes(cache),
                bytes(cgroup.usage)
            ));
        }
    }
    row
}

/// The service, container or pod that the cgroup's path names.
pub(super) fn owner(path: &str) -> Option<String> {
    let who = identity::identify(path);
    if let Some(container) = who.container {
        let short: String = container.chars().take(12).collect();
        return Some(format!("container {short}"));
    }
    who.pod.map(|pod| format!("pod {pod}")).or(who.unit)
}
