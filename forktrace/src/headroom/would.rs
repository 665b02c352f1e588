//! Which limits would refuse which of so many more tasks: `check --would`.
//!
//! Each limit is taken as if it were the only one: what it lets through is what is left of it. Of those
//! that refuse the same task, the one that the kernel asks first does; of cgroups, the innermost
//! (kernel/cgroup/pids.c `pids_can_fork`). Tasks that end meanwhile, and memory that
//! pages take, are nobody's to know.
//!
//! Threads are held against limits of mappings with what glibc maps for each: a stack of its default size, and a guard
//! below it. A program that asks for smaller stacks has room for more, and so has one of glibc 2.42, whose guards are no
//! mappings.

use super::{Headroom, Next, Promised, Refusal, Refuses, Row, SubjectKind, Would};
use crate::{
    model::{Limit, LimitKind, Unit},
    order::Order as _,
};

/// What would come of this many more tasks.
pub fn would(headroom: &Headroom, tasks: u64) -> Would {
    let runs = headroom.process.is_some();
    let stack = headroom.process.as_ref().and_then(|p| p.thread_stack);
    // Who asks for a unit that runs means what runs, and not its next start.
    // More tasks of a cgroup come into it, and not into those below.
    let meant =
        |row: &&Row| row.exempt.is_none() && !row.below && !(runs && row.next == Some(Next::Start));
    let mut refused: Vec<(u8, usize, Refusal)> = headroom
        .limits
        .iter()
        .filter(meant)
        .flat_map(|row| {
            let depth = row.limit.owner.cgroup_path().map_or(0, depth);
            let refused = refusals(row, stack).filter(move |one| one.first <= tasks);
            refused.map(move |one| (order(&one), usize::MAX - depth, one))
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

/// What it refuses: of a limit of promised memory copies of the process, and threads by their stacks, apart.
fn refusals(row: &Row, stack: Option<u64>) -> impl Iterator<Item = Refusal> {
    let of = |refuses, each| {
        let mut limit = row.limit.clone();
        if limit.unit == Unit::Bytes {
            limit.requested = each;
        }
        let first = left(&limit)?.saturating_add(1);
        Some(Refusal {
            first,
            cause: row.cause,
            limit,
            owner: row.owner.clone(),
            next: row.next,
            refuses,
        })
    };
    let whole = (row.refuses != Refuses::Threads).then(|| of(row.refuses, row.limit.requested));
    let threads = (row.refuses != Refuses::Tasks).then(|| of(Refuses::Threads, stack));
    whole.into_iter().chain(threads).flatten()
}

/// How many more it lets through; `None` where that isn't a matter of their number.
fn left(limit: &Limit) -> Option<u64> {
    let left = || Some(limit.bound()?.saturating_sub(limit.usage?));
    let each = limit.requested.filter(|each| *each > 0);
    match (&limit.kind, limit.unit) {
        (_, Unit::Tasks | Unit::Ids) => left(),
        // A stack is one mapping, of which mprotect splits the guard off (`__split_vma`).
        (_, Unit::Mappings) => Some(left()? / 2),
        // mm/util.c `__vm_enough_memory`: all promises, this one's too, have to stay below.
        (LimitKind::CommitLimit, _) => Some(left()?.saturating_sub(1) / each?),
        // One mapping at a time: the first is refused, or none.
        (LimitKind::RamAndSwap, _) => (each? > limit.bound()?).then_some(0),
        // mm/mmap.c `may_expand_vm`, `mlock_future_ok`.
        (LimitKind::RlimitAs | LimitKind::RlimitData | LimitKind::RlimitMemlock, _) => {
            Some(left()? / each?)
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

/// The place of its check among the kernel's: mm/mmap.c `do_mmap` and mm/mprotect.c `mprotect_fixup` for a thread's
/// stack, then kernel/fork.c `copy_process`.
fn order(refusal: &Refusal) -> u8 {
    match (&refusal.limit.kind, refusal.refuses) {
        (LimitKind::MaxMapCount, _) => 0,
        (LimitKind::RlimitMemlock, _) => 1,
        (LimitKind::RlimitAs, _) => 2,
        (LimitKind::RlimitData, _) => 3,
        (_, Refuses::Threads) => 4,
        (LimitKind::RlimitNproc, _) => 5,
        (LimitKind::ThreadsMax, _) => 6,
        // copy_mm
        (LimitKind::CommitLimit | LimitKind::RamAndSwap, _) => 7,
        // alloc_pid
        (LimitKind::PidMax, _) => 8,
        // cgroup_can_fork
        _ => 9,
    }
}

fn depth(path: &str) -> usize {
    path.split('/').filter(|part| !part.is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        headroom::{Process, row},
        model::Owner,
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

    /// Sixty-five thousand mappings, and an address space with room for eleven stacks more.
    #[test]
    fn threads_take_two_mappings_and_a_stack_each() {
        const MIB: u64 = 1 << 20;
        let of = |kind, usage, value, unit| {
            let limit = Limit {
                value: Some(value),
                usage: Some(usage),
                ..Limit::new(kind, Owner::Process, unit)
            };
            row::row(Refuses::Threads, limit)
        };
        let maps = || of(LimitKind::MaxMapCount, 65_500, 65_530, Unit::Mappings);
        let data = of(LimitKind::RlimitData, 5 * MIB, 100 * MIB, Unit::Bytes);
        let locked = of(LimitKind::RlimitMemlock, 16 * MIB, 64 * MIB, Unit::Bytes);
        let mut small = commit(10, 0, 100 * MIB + 1);
        small.limit.requested = Some(MIB);
        let headroom = |limits| Headroom {
            limits,
            process: Some(Process {
                thread_stack: Some(8 * MIB),
                ..Process::default()
            }),
            ..Headroom::default()
        };
        let told = |headroom: &Headroom, tasks| {
            let refused = would(headroom, tasks).refused.into_iter();
            let told = |one: Refusal| (one.first, one.limit.kind, one.refuses);
            refused.map(told).collect::<Vec<_>>()
        };
        let h = headroom(vec![small, data, maps(), locked]);
        let threads = |first, kind| (first, kind, Refuses::Threads);
        assert_eq!(
            told(&h, 200),
            [
                threads(7, LimitKind::RlimitMemlock),
                threads(12, LimitKind::RlimitData),
                threads(13, LimitKind::CommitLimit),
                threads(16, LimitKind::MaxMapCount),
                (101, LimitKind::CommitLimit, Refuses::Processes),
            ]
        );
        assert_eq!(would(&h, 200).refused[0].limit.requested, Some(8 * MIB));
        let h = headroom(vec![maps()]);
        assert_eq!(told(&h, 15), []);
        // Of the same task: a stack is mapped before clone.
        let full = limit(LimitKind::PidsMax, Owner::cgroup("/a"), 85, 100);
        let h = headroom(vec![full, maps()]);
        let kinds: Vec<_> = told(&h, 16).into_iter().map(|(_, kind, _)| kind).collect();
        assert_eq!(kinds, [LimitKind::MaxMapCount, LimitKind::PidsMax]);
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
