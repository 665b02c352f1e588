//! The host's memory, for those whom it was refused.

use std::time::Instant;

use super::holders::rate_limit::{Key, RateLimit};
use super::limits::HostNow;
use crate::model::{Cause, Limit, Memory};

/// What one reading of /proc says of memory.
pub fn of(host: &HostNow) -> Memory {
    let from_kb = |kb: Option<u64>| kb.map(|kb| kb.saturating_mul(1024));
    Memory {
        total: from_kb(host.mem_total),
        available: from_kb(host.mem_available),
        swap_total: from_kb(host.swap_total),
        swap_free: from_kb(host.swap_free),
        overcommit_memory: host.overcommit_memory,
        overcommit_ratio: host.overcommit_ratio,
        overcommit_kbytes: host.overcommit_kbytes,
        commit_limit: from_kb(host.commit_limit),
        committed: from_kb(host.committed),
        huge_pages: from_kb(host.hugetlb),
        admin_reserve: from_kb(host.admin_reserve_kbytes),
        user_reserve: from_kb(host.user_reserve_kbytes),
    }
}

/// Reads memory at verdicts, for each limit every five seconds at most, and all together in a
/// tenth of the time: a storm of refusals is a storm of verdicts.
pub struct AtVerdicts {
    rate_limit: RateLimit,
    last: Option<Memory>,
}

impl AtVerdicts {
    /// Nothing was read yet.
    pub fn new() -> Self {
        Self {
            rate_limit: RateLimit::new(Instant::now()),
            last: None,
        }
    }

    /// Memory now, for a refusal by this limit, or for this cause where it is none; `None` where it
    /// was read for that a moment ago.
    pub fn read(&mut self, cause: Cause, limit: Option<&Limit>) -> Option<Memory> {
        let start = Instant::now();
        let key = limit.map_or_else(|| Key::of_cause(cause), Key::of_limit);
        let allowed = self.rate_limit.allows(key, start);
        let memory = allowed.then(|| of(&HostNow::read()));
        self.rate_limit.spent(start.elapsed());
        self.last = memory.or(self.last);
        memory
    }

    /// What was read last: settings that seldom change.
    pub fn last(&self) -> Option<&Memory> {
        self.last.as_ref()
    }
}

impl Default for AtVerdicts {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LimitKind, Owner, Unit};

    #[test]
    fn kilobytes_become_bytes_and_what_is_no_size_stays() {
        let host = HostNow {
            mem_total: Some(2),
            hugetlb: Some(u64::MAX),
            overcommit_ratio: Some(50),
            overcommit_kbytes: Some(7),
            user_reserve_kbytes: Some(3),
            ..HostNow::default()
        };
        let expected = Memory {
            total: Some(2048),
            huge_pages: Some(u64::MAX),
            overcommit_ratio: Some(50),
            overcommit_kbytes: Some(7),
            user_reserve: Some(3072),
            ..Memory::default()
        };
        assert_eq!(of(&host), expected);
    }

    #[test]
    fn one_limit_has_it_once_and_another_at_once() {
        let mut memory = AtVerdicts::new();
        let mut read = |limit| memory.read(Cause::CgroupMemoryMax, limit);
        let [a, b] = ["/a", "/b"]
            .map(|path| Limit::new(LimitKind::MemoryMax, Owner::cgroup(path), Unit::Bytes));
        assert!(read(Some(&a)).is_some_and(|memory| memory.total > Some(0)));
        assert!(read(Some(&a)).is_none());
        assert!(read(Some(&b)).is_some());
        assert!(read(None).is_some() && read(None).is_none());
    }
}
