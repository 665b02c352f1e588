//! How many tasks a program would have had of a limit that refused it: a pool of threads asks for all of
//! them within a moment, and a limit that is only raised by half of what was missing refuses again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    cause::Subject,
    model::{Limit, LimitKind, Operation, Owner, Unit},
};

/// Threads of one process that were refused within this are threads that it wants beside each other. A
/// program that tries one again and again asks for no more than it tries in this time.
const TOGETHER: Duration = Duration::from_secs(1);

/// Limits that are remembered.
const REMEMBERED: usize = 256;

/// What has been refused of each limit.
#[derive(Default)]
pub(super) struct Demands(HashMap<(LimitKind, Owner), Demand>);

struct Demand {
    value: Option<u64>,
    /// Whose threads are counted, since when, and how many were refused.
    pid: u32,
    since: Instant,
    refused: u64,
    most: u64,
}

impl Demands {
    /// Takes one more refusal, and says how many tasks there would have been at most: those in use, and
    /// threads that one process was refused together. `None` where it wasn't a thread yet.
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
        let is_thread = subject.operation == Operation::Thread;
        let pid = subject.caller.pid;
        let known = self.0.get_mut(&key);
        let Some(demand) = known.filter(|demand| demand.value == limit.value) else {
            if !is_thread {
                self.0.remove(&key);
                return None;
            }
            if self.0.len() >= REMEMBERED {
                self.0.clear();
            }
            let most = limit.usage?.saturating_add(1);
            let demand = Demand {
                value: limit.value,
                pid,
                since: now,
                refused: 1,
                most,
            };
            self.0.insert(key, demand);
            return Some(most);
        };
        if is_thread {
            let passed = now.saturating_duration_since(demand.since);
            if demand.pid != pid || passed >= TOGETHER {
                (demand.pid, demand.since, demand.refused) = (pid, now, 0);
            }
            demand.refused += 1;
            let usage = limit.usage.unwrap_or_default();
            demand.most = demand.most.max(usage.saturating_add(demand.refused));
        }
        Some(demand.most)
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
        assert_eq!(
            take(&mut demands, 8, (Operation::Process, 9), at(5002)),
            Some(31)
        );
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
        for _ in 0..100 {
            let told = take(&mut demands, 8, (Operation::Process, 7), start);
            assert_eq!(told, None);
        }
    }
}
