//! Limits, made of the evidence that several causes share.

use crate::{
    evidence::{CgroupLimit, NprocLevel, Overcommit, PidNs, Threads},
    model::{CgroupOwner, Limit, LimitKind, Owner, Unit, UserNamespaceOwner},
    order::Order as _,
};

/// The fuller of two limits comes first.
pub(super) fn fullest_first(mut all: Vec<Limit>) -> Vec<Limit> {
    all.order_by(|a, b| {
        b.fullness()
            .unwrap_or(0.0)
            .total_cmp(&a.fullness().unwrap_or(0.0))
    });
    all
}

/// RLIMIT_NPROC at one level of its comparison.
pub(super) fn nproc(level: &NprocLevel) -> Limit {
    let owner = match level.limit_userns {
        None => Owner::user(level.uid),
        Some(inum) => Owner::UserNamespace(UserNamespaceOwner {
            inum,
            counted: Some(level.uid),
        }),
    };
    Limit {
        value: level.limit,
        usage: Some(level.usage),
        requested: Some(1),
        within: level.userns.map(Owner::user_namespace),
        ..Limit::new(LimitKind::RlimitNproc, owner, Unit::Tasks)
    }
}

/// kernel.threads-max.
pub(super) fn threads(threads: &Threads) -> Limit {
    Limit {
        value: Some(threads.max),
        usage: Some(threads.now),
        requested: Some(1),
        file: Some("/proc/sys/kernel/threads-max".to_owned()),
        ..Limit::new(LimitKind::ThreadsMax, Owner::Host, Unit::Tasks)
    }
}

/// kernel.pid_max in one pid namespace. Where no id is free, all that can be given are
/// in use; else those below 300 don't count, as far as they are known.
pub(super) fn pid_max(ns: &PidNs) -> Limit {
    let usable = ns.usable();
    Limit {
        value: ns.pid_max,
        usage: if ns.full {
            usable
        } else {
            let competing = ns.allocated.saturating_sub(ns.first);
            usable.map(|usable| competing.min(usable.saturating_sub(1)))
        },
        requested: Some(1),
        usable,
        file: Some("/proc/sys/kernel/pid_max".to_owned()),
        ..Limit::new(LimitKind::PidMax, pid_ns_owner(ns), Unit::Ids)
    }
}

/// The host for the initial pid namespace, else the namespace.
pub(super) fn pid_ns_owner(ns: &PidNs) -> Owner {
    if ns.level == 0 {
        Owner::Host
    } else {
        Owner::PidNamespace { inum: ns.inum }
    }
}

/// pids.max of one cgroup.
pub(super) fn pids(cgroup: &CgroupLimit) -> Limit {
    Limit {
        value: cgroup.limit,
        usage: Some(cgroup.usage),
        requested: Some(1),
        file: cgroup.file.clone(),
        ..Limit::new(LimitKind::PidsMax, owner(cgroup), Unit::Tasks)
    }
}

/// memory.max of one cgroup; v1, which the limit's file shows, calls it memory.limit_in_bytes.
pub(super) fn memory(cgroup: &CgroupLimit) -> Limit {
    let file = cgroup
        .file
        .as_deref()
        .and_then(|file| file.rsplit('/').next());
    let kind = match file.map(LimitKind::from) {
        Some(LimitKind::MemoryLimit) => LimitKind::MemoryLimit,
        _ => LimitKind::MemoryMax,
    };
    Limit {
        value: cgroup.limit,
        usage: Some(cgroup.usage),
        file: cgroup.file.clone(),
        ..Limit::new(kind, owner(cgroup), Unit::Bytes)
    }
}

/// memory.kmem.limit_in_bytes of one cgroup (v1).
pub(super) fn kernel_memory(cgroup: &CgroupLimit) -> Limit {
    Limit {
        kind: LimitKind::KernelMemoryLimit,
        ..memory(cgroup)
    }
}

fn owner(cgroup: &CgroupLimit) -> Owner {
    Owner::Cgroup(CgroupOwner {
        path: cgroup.path.clone(),
        id: Some(cgroup.id),
    })
}

/// RAM and swap together (vm.overcommit_memory=0): no single promise may be
/// larger.
pub(super) fn ram_and_swap(o: &Overcommit) -> Limit {
    Limit {
        value: Some(o.ram_and_swap),
        requested: Some(match o.refused {
            Some(refused) => refused.requested,
            None => o.largest_mapping.unwrap_or(o.private_writable),
        }),
        file: Some("/proc/sys/vm/overcommit_memory".to_owned()),
        ..Limit::new(LimitKind::RamAndSwap, Owner::Host, Unit::Bytes)
    }
}

/// CommitLimit (vm.overcommit_memory=2).
pub(super) fn commit_limit(o: &Overcommit) -> Limit {
    Limit {
        value: Some(o.commit_limit),
        usage: Some(o.refused.map_or(o.committed, |refused| refused.committed)),
        requested: Some(match o.refused {
            Some(refused) => refused.requested,
            None => o.accounted.unwrap_or(o.private_writable),
        }),
        usable: Some(o.allowed()),
        file: Some("/proc/sys/vm/overcommit_memory".to_owned()),
        ..Limit::new(LimitKind::CommitLimit, Owner::Host, Unit::Bytes)
    }
}
