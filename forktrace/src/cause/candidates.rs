//! Every limit that could refuse a creation, with its numbers.

use super::nproc_at_exec;
use crate::{
    cause::thread_stack,
    evidence::{CgroupLimit, Evidence, NprocLevel, Overcommit, OvercommitMode, PidNs, Threads},
    record::{Limit, Operation, Unit},
};

/// Limits with numbers that apply to the caller, fullest first.
pub fn all(e: &Evidence) -> Vec<Limit> {
    if e.operation == Operation::Exec {
        return nproc_at_exec::candidates(e);
    }
    if let Some(stack) = &e.thread_stack {
        return fullest_first(thread_stack::limits(stack, e.overcommit.as_ref()));
    }
    let mut all = Vec::new();
    if !e.nproc_exempt {
        all.extend(e.nproc.iter().filter(|l| l.limit.is_some()).map(nproc));
    }
    all.extend(e.threads.as_ref().map(threads));
    all.extend(
        e.pid_ns
            .iter()
            .filter(|ns| ns.pid_max.is_some() && !ns.dead)
            .map(pid_max),
    );
    all.extend(e.pids.iter().filter(|c| c.limit.is_some()).map(pids));
    all.extend(e.memory.iter().filter(|c| c.limit.is_some()).map(memory));
    all.extend(e.kernel_memory_near.as_ref().map(kernel_memory));
    if let Some(overcommit) = &e.overcommit
        && overcommit.mode == OvercommitMode::Never
        && !e.shares_vm
    {
        all.push(commit_limit(overcommit));
    }
    fullest_first(all)
}

pub(super) fn fullest_first(mut all: Vec<Limit>) -> Vec<Limit> {
    all.sort_by(|a, b| {
        b.fullness()
            .unwrap_or(0.0)
            .total_cmp(&a.fullness().unwrap_or(0.0))
    });
    all
}

/// Inode number of the initial user namespace: PROC_USER_INIT_INO (include/linux/proc_ns.h).
const INITIAL_USER_NS: u32 = 0xefff_fffd;

/// RLIMIT_NPROC at one level of its comparison.
pub fn nproc(level: &NprocLevel) -> Limit {
    Limit {
        name: "RLIMIT_NPROC".to_owned(),
        scope: match level.limit_userns {
            None => format!("uid {}", level.uid),
            Some(inum) => format!("user namespace {inum}"),
        },
        value: level.limit,
        usage: Some(level.usage),
        requested: Some(1),
        unit: Unit::Tasks,
        usable: None,
        within: level
            .userns
            .filter(|&inum| inum != INITIAL_USER_NS)
            .map(|inum| format!("user namespace {inum}")),
        file: None,
    }
}

/// kernel.threads-max.
pub fn threads(threads: &Threads) -> Limit {
    Limit {
        name: "kernel.threads-max".to_owned(),
        scope: "host".to_owned(),
        value: Some(threads.max),
        usage: Some(threads.now),
        requested: Some(1),
        unit: Unit::Tasks,
        usable: None,
        within: None,
        file: Some("/proc/sys/kernel/threads-max".to_owned()),
    }
}

/// kernel.pid_max in one pid namespace. Where no id is free, all that can be given are
/// in use; how many of the others there are is not told by the count of all.
pub fn pid_max(ns: &PidNs) -> Limit {
    let usable = ns.usable();
    Limit {
        name: "kernel.pid_max".to_owned(),
        scope: pid_ns_scope(ns),
        value: ns.pid_max,
        usage: if ns.full {
            usable
        } else {
            usable.map(|usable| ns.allocated.min(usable.saturating_sub(1)))
        },
        requested: Some(1),
        unit: Unit::Ids,
        usable,
        within: None,
        file: Some("/proc/sys/kernel/pid_max".to_owned()),
    }
}

/// `host` for the initial pid namespace, else the namespace's inode number,
/// as `/proc/PID/ns/pid` shows it.
pub fn pid_ns_scope(ns: &PidNs) -> String {
    if ns.level == 0 {
        "host".to_owned()
    } else {
        format!("pid namespace {}", ns.inum)
    }
}

/// pids.max of one cgroup.
pub fn pids(cgroup: &CgroupLimit) -> Limit {
    Limit {
        name: "pids.max".to_owned(),
        scope: scope(cgroup),
        value: cgroup.limit,
        usage: Some(cgroup.usage),
        requested: Some(1),
        unit: Unit::Tasks,
        usable: None,
        within: None,
        file: cgroup.file.clone(),
    }
}

/// memory.max of one cgroup; v1 calls it memory.limit_in_bytes.
pub fn memory(cgroup: &CgroupLimit) -> Limit {
    const V1: &str = "memory.limit_in_bytes";
    let v1 = cgroup.file.as_ref().is_some_and(|f| f.ends_with(V1));
    Limit {
        name: if v1 { V1 } else { "memory.max" }.to_owned(),
        scope: scope(cgroup),
        value: cgroup.limit,
        usage: Some(cgroup.usage),
        requested: None,
        unit: Unit::Bytes,
        usable: None,
        within: None,
        file: cgroup.file.clone(),
    }
}

/// memory.kmem.limit_in_bytes of one cgroup (v1).
pub fn kernel_memory(cgroup: &CgroupLimit) -> Limit {
    Limit {
        name: "memory.kmem.limit_in_bytes".to_owned(),
        ..memory(cgroup)
    }
}

fn scope(cgroup: &CgroupLimit) -> String {
    cgroup
        .path
        .clone()
        .unwrap_or_else(|| format!("cgroup id {}", cgroup.id))
}

/// RAM and swap together (vm.overcommit_memory=0): no single promise may be
/// larger.
pub fn ram_and_swap(o: &Overcommit) -> Limit {
    Limit {
        name: "vm.overcommit_memory".to_owned(),
        scope: "host".to_owned(),
        value: Some(o.ram_and_swap),
        usage: None,
        requested: Some(match o.refused {
            Some(refused) => refused.requested,
            None => o.largest_mapping.unwrap_or(o.private_writable),
        }),
        unit: Unit::Bytes,
        usable: None,
        within: None,
        file: Some("/proc/sys/vm/overcommit_memory".to_owned()),
    }
}

/// CommitLimit (vm.overcommit_memory=2).
pub fn commit_limit(o: &Overcommit) -> Limit {
    Limit {
        name: "CommitLimit".to_owned(),
        scope: "host".to_owned(),
        value: Some(o.commit_limit),
        usage: Some(o.refused.map_or(o.committed, |refused| refused.committed)),
        requested: Some(match o.refused {
            Some(refused) => refused.requested,
            None => o.accounted.unwrap_or(o.private_writable),
        }),
        unit: Unit::Bytes,
        usable: Some(o.allowed()),
        within: None,
        file: Some("/proc/sys/vm/overcommit_memory".to_owned()),
    }
}
