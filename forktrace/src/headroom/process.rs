//! The process that was asked for: how it is, and the limits of its own.

use super::{
    Blocked, Process, Refuses, Row, cgroups,
    row::{limit, row},
};
use crate::{
    host::{
        process::{Bounds, Limits, Status},
        readings::Readings,
    },
    model::{Cause, Limit, LimitKind, Owner, Unit},
};

pub(super) fn about(readings: &Readings) -> Option<Process> {
    let process = readings.process()?;
    let children = || {
        readings
            .processes
            .iter()
            .filter(|p| p.parent == process.pid)
    };
    let details = readings.details.as_ref();
    let cgroup = details.and_then(|d| d.cgroup.clone());
    Some(Process {
        pid: process.pid,
        comm: process.comm.clone(),
        alive: !process.is_zombie(),
        state: state(process.state).to_owned(),
        parent: process.parent,
        uid: process.uid,
        user: readings.user(process.uid).map(str::to_owned),
        threads: process.threads,
        thread_stack: readings.limits.get(&process.pid).map(Limits::thread_stack),
        children: children().count() as u64,
        zombies: children().filter(|p| p.is_zombie()).count() as u64,
        unit: cgroup.as_deref().and_then(cgroups::owner),
        cgroup,
        deadline: details.is_some_and(|d| d.deadline),
    })
}

/// kernel/pid.c `alloc_pid`: ENOMEM in a pid namespace without init; kernel/sched/core.c `sched_fork`: EAGAIN to who is
/// under SCHED_DEADLINE.
pub(super) fn blocked(readings: &Readings) -> Vec<Blocked> {
    let (Some(process), Some(details)) = (readings.process(), &readings.details) else {
        return Vec::new();
    };
    let mut blocked = Vec::new();
    if details.pid_namespace_dead {
        blocked.push(Blocked {
            cause: Cause::of_limit(&LimitKind::PidNamespace),
            text: format!(
                "{} (pid {}) can create no process: its children would go to a pid namespace \
                 whose init has ended",
                process.comm, process.pid
            ),
        });
    }
    if details.deadline_refuses {
        blocked.push(Blocked {
            cause: Cause::of_deadline(),
            text: format!(
                "{} (pid {}) can create no process and no thread: it is under SCHED_DEADLINE, and not \
                 to be reset on fork",
                process.comm, process.pid
            ),
        });
    }
    blocked
}

/// fs/proc/array.c `task_state_array`.
fn state(letter: char) -> &'static str {
    match letter {
        'R' => "running",
        'S' => "sleeping",
        'D' => "disk sleep",
        'T' => "stopped",
        't' => "traced",
        'Z' => "zombie",
        'X' => "dead",
        'I' => "idle",
        _ => "unknown",
    }
}

/// What refuses a new thread's stack: mm/mmap.c `may_expand_vm` and
/// `mlock_future_ok`, and the count of mappings. fork asks none of them.
pub(super) fn rows(readings: &Readings) -> Vec<Row> {
    let (Some(process), Some(details)) = (readings.process(), &readings.details) else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    let mut add = |limit: Limit| rows.push(row(Refuses::Threads, limit));
    if let Some(mappings) = details.mappings {
        let mut limit = limit(
            LimitKind::MaxMapCount,
            Owner::Process,
            details.max_map_count,
            Some(mappings),
            Unit::Mappings,
        );
        limit.file = Some("/proc/sys/vm/max_map_count".to_owned());
        add(limit);
    }
    let Some(limits) = readings.limits.get(&process.pid) else {
        return rows;
    };
    let file = format!("/proc/{}/limits", process.pid);
    let mut bound = |kind, value, usage: Option<u64>| {
        if usage.is_some() {
            let mut limit = limit(kind, Owner::Process, value, usage, Unit::Bytes);
            limit.file = Some(file.clone());
            add(limit);
        }
    };
    bound(
        LimitKind::RlimitAs,
        limits.address_space.soft,
        process.vm_size,
    );
    bound(
        LimitKind::RlimitData,
        data_limit(limits.data),
        process.vm_data.filter(|_| !details.data_limit_ignored),
    );
    bound(
        LimitKind::RlimitMemlock,
        limits.locked.soft,
        process
            .vm_locked
            .filter(|locked| locks_stacks(process, *locked)),
    );
    if readings.has_on_host(process, CAP_IPC_LOCK) {
        let exempt = "the process has CAP_IPC_LOCK, which exempts it";
        let mut rows = rows.iter_mut();
        let locked = rows.find(|row| row.limit.kind == LimitKind::RlimitMemlock);
        if let Some(row) = locked {
            row.exempt = Some(exempt.to_owned());
        }
    }
    rows
}

/// `may_expand_vm`: where the soft limit is 0, as Valgrind sets it, the hard one counts.
fn data_limit(data: Bounds) -> Option<u64> {
    match data.soft {
        Some(0) => data.hard,
        soft => soft,
    }
}

const CAP_IPC_LOCK: u32 = 14; // include/uapi/linux/capability.h

/// Whether the stack of a new thread will be locked: after mlockall(MCL_FUTURE), which no file shows. Then nearly
/// all of the address space is, while who locks a secret or a buffer locks that alone.
fn locks_stacks(process: &Status, locked: u64) -> bool {
    let all = process.vm_size.unwrap_or(0);
    locked > 0 && locked >= all / 4 * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_data_limit_of_0_is_the_hard_one() {
        let of = |soft, hard| data_limit(Bounds { soft, hard });
        assert_eq!(of(Some(0), None), None);
        assert_eq!(of(Some(0), Some(7)), Some(7));
        assert_eq!(of(Some(5), Some(7)), Some(5));
        assert_eq!(of(None, None), None);
    }
}
