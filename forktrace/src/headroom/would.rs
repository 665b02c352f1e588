//! Which limits would refuse which of so many more tasks: `check --would`.
//!
//! Each limit is taken as if it were the only one: what it lets through is what is left of it. Of those
//! that refuse the same task, the one that the kernel asks first does; of cgroups, the innermost
//! (kernel/cgroup/pids.c `pids_can_fork`). Tasks that end meanwhile, and memory that
//! pages take, are nobody's to know.

use super::{Headroom, Next, Promised, Refusal, Row, SubjectKind, Would};
use crate::{
    model::{LimitKind, Unit},
    order::Order as _,
};

/// What would come of this many more tasks.
pub fn would(headroom: &Headroom, tasks: u64) -> Would {
    let runs = headroom.process.is_some();
    // Who asks for a unit that runs means what runs, and not its next start.
    // More tasks of a cgroup come into it, and not into those below.
    let meant =
        |row: &&Row| row.exempt.is_none() && !row.below && !(runs && row.next == Some(Next::Start));
    let mut refused: Vec<(u8, usize, Refusal)> = headroom
        .limits
        .iter()
        .filter(meant)
        .filter_map(|row| {
            let first = left(row)?.saturating_add(1);
            let depth = row.limit.owner.cgroup_path().map_or(0, depth);
            (first <= tasks).then(|| (order(row), usize::MAX - depth, refusal(row, first)))
        })
        .collect();
    refused.order_by(|(a_order, a_depth, a), (b_order, b_depth, b)| {
        (a.first, a_order, a_depth).cmp(&(b.first, b_order, b_depth))
    });
    Would {
        tasks,
        refused: refused.into_iter().map(|(_, _, refusal)| refusal).collect(),
        promised: headroom.limits.iter().find_map(|row| promised(row, tasks)),
        apart: headroom.of.kind == SubjectKind::User,
    }
}

fn refusal(row: &Row, first: u64) -> Refusal {
    Refusal {
        first,
        cause: row.cause,
        limit: row.limit.clone(),
        owner: row.owner.clone(),
        next: row.next,
        refuses: row.refuses,
    }
}

/// How many more it lets through; `None` where that isn't a matter of their number.
fn left(row: &Row) -> Option<u64> {
    let limit = &row.limit;
    let bound = limit.bound()?;
    match limit.unit {
        Unit::Tasks | Unit::Ids => Some(bound.saturating_sub(limit.usage?)),
        Unit::Bytes => {
            let each = limit.requested.filter(|each| *each > 0)?;
            match (&limit.kind, limit.usage) {
                // mm/util.c `__vm_enough_memory`: all promises, this one's too, have to stay below.
                (LimitKind::CommitLimit, Some(used)) => {
                    Some(bound.saturating_sub(used).saturating_sub(1) / each)
                }
                // One mapping at a time: the first is refused, or none.
                (LimitKind::RamAndSwap, _) => (each > bound).then_some(0),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What so many forks would promise, where promises are limited.
fn promised(row: &Row, tasks: u64) -> Option<Promised> {
    let limit = &row.limit;
    let each = limit
        .requested
        .filter(|_| limit.kind == LimitKind::CommitLimit)?;
    Some(Promised {
        each,
        all: each.saturating_mul(tasks),
        left: limit.bound()?.saturating_sub(limit.usage?),
    })
}

/// The place of its check among the kernel's (kernel/fork.c `copy_process`).
fn order(row: &Row) -> u8 {
    match row.limit.kind {
        LimitKind::RlimitNproc => 0,
        LimitKind::ThreadsMax => 1,
        // copy_mm
        LimitKind::CommitLimit | LimitKind::RamAndSwap => 2,
        // alloc_pid
        LimitKind::PidMax => 3,
        // cgroup_can_fork
        _ => 4,
    }
}

fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        headroom::{Process, Refuses, row},
        model::{Limit, Owner},
    };

    fn limit(kind: LimitKind, owner: Owner, usage: u64, value: u64) -> Row {
        let limit = Limit {
            value: Some(value),
            usage: Some(usage),
            ..Limit::new(kind, owner, Unit::Tasks)
        };
        row::row(Refuses::Tasks, limit)
    }

    fn commit(each: u64, usage: u64, value: u64) -> Row {
        let limit = Limit {
            value: Some(value),
            usage: Some(usage),
            requested: Some(each),
            ..Limit::new(LimitKind::CommitLimit, Owner::Host, Unit::Bytes)
        };
        row::row(Refuses::Processes, limit)
    }

    fn asked(limits: Vec<Row>, tasks: u64) -> Vec<(u64, String)> {
        let headroom = Headroom {
            limits,
            process: Some(Process::default()),
            ..Headroom::default()
        };
        let refused = would(&headroom, tasks).refused.into_iter();
        refused
            .map(|one| {
                (
                    one.first,
                    format!("{} of {}", one.limit.kind, one.limit.owner),
                )
            })
            .collect()
    }

    #[test]
    fn each_limit_refuses_what_it_has_no_room_for() {
        let limits = || {
            vec![
                limit(LimitKind::PidsMax, Owner::cgroup("/a"), 88, 100),
                limit(LimitKind::RlimitNproc, Owner::user(5), 56, 100),
                limit(LimitKind::ThreadsMax, Owner::Host, 100, 5000),
            ]
        };
        assert_eq!(asked(limits(), 12), []);
        let of = |first, what: &str| (first, what.to_owned());
        assert_eq!(asked(limits(), 13), [of(13, "pids.max of /a")]);
        let both = [of(13, "pids.max of /a"), of(45, "RLIMIT_NPROC of uid 5")];
        assert_eq!(asked(limits(), 50), both);
        // Over it already.
        let over = limit(LimitKind::PidsMax, Owner::cgroup("/a"), 120, 100);
        assert_eq!(asked(vec![over], 1), [of(1, "pids.max of /a")]);
    }

    #[test]
    fn of_the_same_task_in_the_kernels_order() {
        let limits = vec![
            limit(LimitKind::PidsMax, Owner::cgroup("/a"), 9, 10),
            limit(LimitKind::PidsMax, Owner::cgroup("/a/b"), 4, 5),
            limit(LimitKind::PidMax, Owner::Host, 9, 10),
            commit(10, 0, 20),
            limit(LimitKind::ThreadsMax, Owner::Host, 9, 10),
            limit(LimitKind::RlimitNproc, Owner::user(5), 9, 10),
        ];
        let told: Vec<String> = asked(limits, 9).into_iter().map(|(_, what)| what).collect();
        assert_eq!(
            told,
            [
                "RLIMIT_NPROC of uid 5",
                "kernel.threads-max of host",
                "CommitLimit of host",
                "kernel.pid_max of host",
                "pids.max of /a/b",
                "pids.max of /a",
            ]
        );
    }

    #[test]
    fn promises_add_up_and_must_stay_below() {
        let first = |each, used, value| {
            let refused = asked(vec![commit(each, used, value)], 1000);
            refused.first().map(|(first, _)| *first)
        };
        // 10 at a time, 95 of 100 left: nine, and with the tenth 100 is not below 100.
        assert_eq!(first(10, 0, 100), Some(10));
        assert_eq!(first(10, 0, 101), Some(11));
        assert_eq!(first(10, 95, 100), Some(1));
        assert_eq!(first(0, 95, 100), None);
        let headroom = Headroom {
            limits: vec![commit(10, 95, 100)],
            ..Headroom::default()
        };
        let promised = would(&headroom, 30).promised.unwrap();
        assert_eq!((promised.each, promised.all, promised.left), (10, 300, 5));
    }

    #[test]
    fn what_does_not_apply_refuses_nothing_and_a_start_is_another_matter() {
        let mut exempt = limit(LimitKind::RlimitNproc, Owner::user(5), 9, 10);
        exempt.exempt = Some("root".to_owned());
        let mut start = limit(LimitKind::PidsMax, Owner::cgroup("/a"), 9, 10);
        start.next = Some(Next::Start);
        assert_eq!(asked(vec![exempt, start.clone()], 9), []);
        let stopped = Headroom {
            limits: vec![start],
            ..Headroom::default()
        };
        assert_eq!(would(&stopped, 9).refused.len(), 1);
    }
}
