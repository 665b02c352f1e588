//! How many tasks there would have been of a limit, had it refused nobody: a pool of threads asks for all
//! of them within a moment, several programs for theirs, and a limit that is only raised by half of what was
//! missing refuses again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    cause::Subject,
    model::{Limit, LimitKind, Operation, Owner, Unit},
};

/// What was refused within this was wanted beside each other: of a process each of its threads. A program
/// that tries one again and again asks for no more than it tries in this time.
const TOGETHER: Duration = Duration::from_secs(1);

/// Limits that are remembered, and of each the processes.
const REMEMBERED: usize = 256;

/// What has been refused of each limit.
#[derive(Default)]
pub(super) struct Demands(HashMap<(LimitKind, Owner), Demand>);

struct Demand {
    value: Option<u64>,
    /// Since when the refused are counted.
    since: Instant,
    refused: HashMap<u32, Refused>,
    most: u64,
}

/// Of one process.
#[derive(Default)]
struct Refused {
    threads: u64,
    /// A fork is tried again by the same caller, so that many are one.
    forks: bool,
}

impl Demands {
    /// Takes one more refusal, and says how many tasks there would have been at most: those in use, and
    /// those that were refused together. `None` where nobody was refused one yet.
    pub(super) fn take(
        &mut self,
        limit: &Limit,
        subject: &Subject<'_>,
        now: Instant,
    ) -> Option<u64> {
        if !matches!(limit.unit, Unit::Tasks | Unit::Ids) {
            return None;
        }
        let key = (limit.kind.clone(), limit.owner.clone());
        // An execve adds none.
        if subject.operation == Operation::Exec {
            let known = self.0.get(&key);
            return Some(known.filter(|demand| demand.value == limit.value)?.most);
        }
        let usage = limit.usage?;
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&key) {
            self.0.clear();
        }
        let new = || Demand {
            value: limit.value,
            since: now,
            refused: HashMap::new(),
            most: 0,
        };
        let demand = self.0.entry(key).or_insert_with(new);
        if demand.value != limit.value {
            *demand = new();
        }
        if now.saturating_duration_since(demand.since) >= TOGETHER {
            demand.since = now;
            demand.refused.clear();
        }
        demand.refuse(subject);
        demand.most = demand.most.max(usage.saturating_add(demand.wanted()));
        Some(demand.most)
    }
}

impl Demand {
    fn refuse(&mut self, subject: &Subject<'_>) {
        let pid = subject.caller.pid;
        if self.refused.len() >= REMEMBERED && !self.refused.contains_key(&pid) {
            return;
        }
        let of = self.refused.entry(pid).or_default();
        match subject.operation {
            Operation::Thread => of.threads += 1,
            _ => of.forks = true,
        }
    }

    fn wanted(&self) -> u64 {
        let each = self.refused.values();
        each.map(|of| of.threads + u64::from(of.forks)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Caller, Cgroup, Errno, caller::tests::caller};

    fn limit(value: u64) -> Limit {
        Limit {
            value: Some(value),
            usage: Some(value),
            requested: Some(1),
            ..Limit::new(LimitKind::PidsMax, Owner::cgroup("/a"), Unit::Tasks)
        }
    }

    fn take(demands: &mut Demands, value: u64, of: (Operation, u32), now: Instant) -> Option<u64> {
        let (operation, pid) = of;
        let caller = Caller { pid, ..caller() };
        let subject = Subject {
            caller: &caller,
            cgroup: &Cgroup::default(),
            operation,
            errno: Errno::EAGAIN,
            target: None,
        };
        demands.take(&limit(value), &subject, now)
    }

    #[test]
    fn a_pool_wants_its_threads_beside_each_other() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut demands = Demands::default();
        let pool = (Operation::Thread, 7);
        let all = (0..23).map(|n| take(&mut demands, 8, pool, at(n)));
        assert_eq!(all.last(), Some(Some(31)));
        // A smaller burst later, of another process too, leaves that as it is.
        assert_eq!(take(&mut demands, 8, pool, at(5000)), Some(31));
        let other = (Operation::Thread, 8);
        assert_eq!(take(&mut demands, 8, other, at(5001)), Some(31));
        for operation in [Operation::Process, Operation::Exec] {
            let told = take(&mut demands, 8, (operation, 9), at(5002));
            assert_eq!(told, Some(31));
        }
        // Raised, and full again.
        assert_eq!(take(&mut demands, 24, pool, at(6000)), Some(25));
        assert_eq!(take(&mut demands, 24, pool, at(6001)), Some(26));
    }

    #[test]
    fn tries_one_after_the_other_are_no_pool() {
        let start = Instant::now();
        let mut demands = Demands::default();
        for second in 0..100 {
            let now = start + TOGETHER * second;
            let told = take(&mut demands, 8, (Operation::Thread, 7), now);
            assert_eq!(told, Some(9));
        }
        let mut demands = Demands::default();
        let exec = take(&mut demands, 8, (Operation::Exec, 7), start);
        assert_eq!(exec, None);
        for _ in 0..100 {
            let told = take(&mut demands, 8, (Operation::Process, 7), start);
            assert_eq!(told, Some(9));
        }
    }

    #[test]
    fn many_processes_want_theirs_beside_each_other() {
        let now = Instant::now();
        let mut demands = Demands::default();
        let forks = (0..40).map(|pid| take(&mut demands, 8, (Operation::Vfork, pid), now));
        assert_eq!(forks.last(), Some(Some(48)));
        // Two pools, and a fork of one of them.
        let mut demands = Demands::default();
        for _ in 0..20 {
            for pid in [7, 8] {
                take(&mut demands, 8, (Operation::Thread, pid), now);
            }
        }
        let told = take(&mut demands, 8, (Operation::Process, 8), now);
        assert_eq!(told, Some(8 + 41));
        // No list grows without an end.
        let mut demands = Demands::default();
        let forks = (0..5000).map(|pid| take(&mut demands, 8, (Operation::Process, pid), now));
        assert_eq!(forks.last(), Some(Some(8 + REMEMBERED as u64)));
    }
}
