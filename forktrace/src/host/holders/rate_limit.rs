//! How often holders are counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::model::{Cause, Limit, LimitKind, Owner};

/// One limit's holders are counted again after this.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// Seconds that counting may take at once, and then the share of the time that goes by: a storm must
/// not make of forktrace one more load.
const AT_ONCE: f64 = 1.5;
const SHARE: f64 = 0.01;

/// Limits of one name, such as RLIMIT_NPROC of several users, that are counted at once, and then in
/// a second. Who fills a hundred users' limits is for nobody to read.
const KIN_AT_ONCE: f64 = 32.0;
const KIN_A_SECOND: f64 = 4.0;

/// Limits that are remembered.
const REMEMBERED: usize = 1024;

/// What is counted for at most so often: a limit of an owner, or a cause without one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    kin: Kin,
    owner: Owner,
}

/// Limits of one name, or one cause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kin {
    Limit(LimitKind),
    Cause(Cause),
}

impl Key {
    /// Of a limit.
    pub(crate) fn of_limit(limit: &Limit) -> Self {
        Self {
            kin: Kin::Limit(limit.kind.clone()),
            owner: limit.owner.clone(),
        }
    }

    /// Of a cause that names no limit.
    pub(crate) fn of_cause(cause: Cause) -> Self {
        Self {
            kin: Kin::Cause(cause),
            owner: Owner::Host,
        }
    }
}

/// A limit's value and what is in use of it.
pub(crate) type Numbers = (Option<u64>, Option<u64>);

/// Decides when to count.
#[derive(Debug)]
pub(crate) struct RateLimit {
    counted: HashMap<Key, (Instant, Numbers)>,
    /// How many more of a name may be counted, as of when.
    kin: HashMap<Kin, (f64, Instant)>,
    /// Seconds; less than none after a count that took longer than it might.
    credit: f64,
    at: Instant,
}

impl RateLimit {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            counted: HashMap::new(),
            kin: HashMap::new(),
            credit: AT_ONCE,
            at: now,
        }
    }

    /// Whether what is asked of this key may be read now, whatever the numbers; if so, that is noted.
    pub(crate) fn allows(&mut self, key: Key, now: Instant) -> bool {
        self.allows_at((None, None), key, now)
    }

    /// Whether this limit's holders may be counted now; if so, that is noted. At other numbers than the
    /// last count's they are others, and are counted whenever that was: a value that has been raised
    /// and is reached again is news. How often that is, those of one name and the share of the time bound.
    pub(crate) fn allows_at(&mut self, numbers: Numbers, key: Key, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.credit = AT_ONCE.min(self.credit + passed * SHARE);
        self.at = now;
        let recent = |at: Instant| now.saturating_duration_since(at) < EVERY;
        let known = self.counted.get(&key);
        let counted = known.is_some_and(|(at, of)| recent(*at) && *of == numbers);
        if self.credit <= 0.0 || counted {
            return false;
        }
        if known.is_none() && self.counted.len() >= REMEMBERED {
            self.counted.retain(|_, (at, _)| recent(*at));
            if self.counted.len() >= REMEMBERED {
                return false;
            }
        }
        if !self.allows_another(&key.kin, now) {
            return false;
        }
        self.counted.insert(key, (now, numbers));
        true
    }

    /// Whether another limit of this name may be counted; if so, that is noted.
    fn allows_another(&mut self, kin: &Kin, now: Instant) -> bool {
        if !self.kin.contains_key(kin) {
            self.kin.insert(kin.clone(), (KIN_AT_ONCE, now));
        }
        let Some((left, at)) = self.kin.get_mut(kin) else {
            return false;
        };
        let passed = now.saturating_duration_since(*at).as_secs_f64();
        *left = KIN_AT_ONCE.min(*left + passed * KIN_A_SECOND);
        *at = now;
        let allowed = *left >= 1.0;
        if allowed {
            *left -= 1.0;
        }
        allowed
    }

    /// Counting has taken this long.
    pub(crate) fn spent(&mut self, time: Duration) {
        self.credit -= time.as_secs_f64();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Numbers = (Some(20), Some(20));

    fn key(n: usize) -> Key {
        Key {
            kin: Kin::Limit(LimitKind::PidsMax),
            owner: Owner::cgroup(format!("/{n}")),
        }
    }

    #[test]
    fn one_limit_is_counted_every_five_seconds() {
        let start = Instant::now();
        let mut rate = RateLimit::new(start);
        assert!(rate.allows(key(1), start));
        for ms in [0, 1, 4999] {
            assert!(!rate.allows(key(1), start + Duration::from_millis(ms)));
        }
        assert!(rate.allows(key(2), start));
        assert!(rate.allows(key(1), start + EVERY));
    }

    #[test]
    fn other_numbers_are_counted_at_once() {
        let start = Instant::now();
        let mut rate = RateLimit::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        assert!(rate.allows_at((Some(1), Some(1)), key(1), at(0)));
        assert!(!rate.allows_at((Some(1), Some(1)), key(1), at(200)));
        assert!(rate.allows_at(FULL, key(1), at(200)));
        assert!(!rate.allows_at(FULL, key(1), at(400)));
        assert!(rate.allows_at((Some(20), Some(21)), key(1), at(400)));
        // Numbers that never stand still are counted some times a second, as limits of one name are.
        let other = |n: u64| (Some(n), Some(n));
        let counts = (0..10_000).filter(|n| rate.allows_at(other(*n), key(2), at(*n)));
        assert!((60..=75).contains(&counts.count()));
    }

    #[test]
    fn a_storm_over_many_limits_takes_a_hundredth_of_the_time() {
        let start = Instant::now();
        let mut rate = RateLimit::new(start);
        let cost = Duration::from_millis(200);
        let mut counts = 0;
        for ms in 0..60_000 {
            if rate.allows(key(ms), start + Duration::from_millis(ms as u64)) {
                counts += 1;
                rate.spent(cost);
            }
        }
        // A second and a half at once, and a hundredth of a minute.
        assert!((10..=12).contains(&counts), "{counts}");
    }

    #[test]
    fn of_many_limits_of_one_name_some_are_counted() {
        let start = Instant::now();
        let mut rate = RateLimit::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        let allowed = (0..10_000).filter(|n| rate.allows(key(*n), at(*n as u64)));
        // 32 at once, and four a second for ten seconds.
        assert_eq!(allowed.count(), 32 + 39);
        let other = Key {
            kin: Kin::Limit(LimitKind::RlimitNproc),
            owner: Owner::user(1),
        };
        assert!(rate.allows(other, at(10_000)));
    }

    #[test]
    fn limits_are_forgotten() {
        let start = Instant::now();
        let mut rate = RateLimit::new(start);
        // Of as many names.
        let key = |n: usize| Key {
            kin: Kin::Limit(LimitKind::Other(format!("limit {n}"))),
            owner: Owner::Host,
        };
        let allowed = (0..2 * REMEMBERED).filter(|n| rate.allows(key(*n), start));
        assert_eq!(allowed.count(), REMEMBERED);
        assert!(rate.allows(key(REMEMBERED), start + EVERY));
        assert_eq!(rate.counted.len(), 1);
    }
}
