//! kernel.pid_max and kernel.threads-max.

use std::{collections::BTreeSet, ops::Range};

use super::{
    Refuses, Row, Unreadable, Unseen,
    row::{limit, row},
};
use crate::{
    evidence::RESERVED_PIDS,
    host::{
        holders::{Fill, Scope},
        readings::{Readings, Subject},
    },
    model::{LimitKind, Owner, Unit},
};

pub(super) fn rows(readings: &Readings) -> Vec<Row> {
    [pid_max(readings), threads_max(readings)]
        .into_iter()
        .flatten()
        .collect()
}

/// kernel/fork.c: `nr_threads >= max_threads`; nobody is exempt.
fn threads_max(readings: &Readings) -> Option<Row> {
    let mut limit = limit(
        LimitKind::ThreadsMax,
        Owner::Host,
        Some(readings.host.threads_max?),
        readings.host.threads,
        Unit::Tasks,
    );
    limit.file = Some("/proc/sys/kernel/threads-max".to_owned());
    let mut row = row(Refuses::Tasks, limit);
    row.counts = all(readings);
    Some(row)
}

/// Everybody, where everybody can be seen.
fn all(readings: &Readings) -> Option<Scope> {
    let fill = Fill::Tasks;
    readings
        .initial_pid_namespace
        .then_some(Scope::Host { fill })
}

/// Of this process's pid namespace since Linux 6.14, of the host before. Only ids
/// from 300 to it compete: those below were given out at boot and never again
/// (kernel/pid.c `alloc_pid`).
fn pid_max(readings: &Readings) -> Option<Row> {
    let value = readings.host.pid_max?;
    let left = leaderless(readings, RESERVED_PIDS..value);
    let (owner, tasks) = if readings.initial_pid_namespace {
        (Owner::Host, readings.host.threads?)
    } else {
        // /proc/loadavg counts the whole host's.
        let visible = readings.processes.iter().map(|p| p.threads).sum();
        (Owner::OwnPidNamespace, visible)
    };
    let within = tasks.saturating_sub(readings.ids_outside) + left;
    let mut limit = limit(
        LimitKind::PidMax,
        owner,
        Some(value),
        Some(within),
        Unit::Ids,
    );
    limit.usable = Some(value.saturating_sub(RESERVED_PIDS));
    limit.file = Some("/proc/sys/kernel/pid_max".to_owned());
    let mut row = row(Refuses::Tasks, limit);
    row.counts = all(readings);
    row.notes.push(format!(
        "ids in use are threads as well as processes; {} more are below {RESERVED_PIDS} or above the \
         limit, where no new one is given",
        readings.ids_outside
    ));
    if left > 0 {
        row.notes.push(format!(
            "{left} of the ids are no task's: a process group or session keeps the id of its \
             leader, who has ended"
        ));
    }
    Some(row)
}

/// Ids in the range of ended leaders whose process group or session has members
/// still (kernel/pid.c `free_pid` comes with the last of them).
fn leaderless(readings: &Readings, range: Range<u64>) -> u64 {
    if readings.hidden {
        // Leaders that can't be seen would be taken for gone.
        return 0;
    }
    let there: BTreeSet<u32> = readings.processes.iter().map(|p| p.pid).collect();
    let kept: BTreeSet<u32> = readings
        .processes
        .iter()
        .flat_map(|p| [p.group, p.session])
        .flatten()
        .filter(|id| range.contains(&u64::from(*id)) && !there.contains(id))
        .collect();
    kept.len() as u64
}

pub(super) fn unreadable(readings: &Readings) -> Vec<Unreadable> {
    let mut unreadable = Vec::new();
    let nested = readings.process().filter(|p| p.pids.len() > 1);
    if let Some(process) = nested {
        unreadable.push(Unreadable {
            of: Unseen::Others,
            what: format!("kernel.pid_max of the pid namespace of {}", process.pid),
            why: "since Linux 6.14 each pid namespace has its own, which is read inside only"
                .to_owned(),
        });
    }
    if !readings.initial_pid_namespace {
        unreadable.push(Unreadable {
            of: Unseen::Others,
            what: "ids in use in the pid namespaces around this one".to_owned(),
            why: "this forktrace is in a pid namespace of its own; run it on the host".to_owned(),
        });
    }
    if readings.hidden {
        unreadable.push(Unreadable {
            of: Unseen::Others,
            what: "processes of other users".to_owned(),
            why: "/proc is mounted with hidepid; run it as root".to_owned(),
        });
    }
    unreadable.extend(unseen_cgroups(readings).map(|what| Unreadable {
        of: Unseen::Cgroups,
        what,
        why: "this forktrace is in a cgroup namespace of its own; run it on the host, or in a container \
              with --cgroupns=host"
            .to_owned(),
    }));
    unreadable
}

/// What a cgroup namespace of forktrace's own hides: what lies above its root, and what lies beside it.
fn unseen_cgroups(readings: &Readings) -> impl Iterator<Item = String> {
    let one = matches!(readings.subject, Subject::Process(_));
    let beside = match readings.outside.len() {
        0 => None,
        1 => readings.outside.first().map(|pid| {
            format!("limits of the cgroup of process {pid}, which is outside this cgroup namespace")
        }),
        several => Some(format!(
            "limits of the cgroups of {several} processes, which are outside this cgroup namespace"
        )),
    };
    let above = readings.hides_cgroups && !(one && beside.is_some());
    let above = above.then(|| "limits of the cgroups above /".to_owned());
    above.into_iter().chain(beside)
}
