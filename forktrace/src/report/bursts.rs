//! Bursts: failures on one host with no longer gap between them than
//! [`GAP_SECONDS`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{counts::add, few::Few, when::When};
use crate::{model::Cause, order::Order as _};

/// A longer gap ends a burst.
pub(super) const GAP_SECONDS: i64 = 10;
const GAP: SignedDuration = SignedDuration::from_secs(GAP_SECONDS);

/// Bursts are dropped, the smallest first, when there are twice as many.
const BOUND: usize = 1024;

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Burst {
    pub last: Timestamp,
    pub failures: u64,
    pub causes: Few<Option<Cause>, u64>,
}

/// All of them, by host and beginning. Those of a host are further apart than
/// the gap, so that their ends are in order as well.
#[derive(Clone, Default)]
pub(super) struct Bursts {
    known: BTreeMap<(u32, Timestamp), Burst>,
    /// The one that the latest failures are of: in no map, so that nothing is looked for.
    open: Option<Open>,
    dropped: u64,
}

/// A burst that is likely to go on.
#[derive(Clone)]
struct Open {
    host: u32,
    start: Timestamp,
    burst: Burst,
    /// When the host's next burst begins.
    next: Option<Timestamp>,
}

impl Open {
    /// Whether failures of this time, with the gap on both sides, are of this burst and of no other: those before
    /// it have ended a gap before it began.
    fn has(&self, host: u32, first: Timestamp, from: Timestamp, reach: Timestamp) -> bool {
        let before_next = self.next.is_none_or(|next| reach < next);
        self.host == host && self.start <= first && self.burst.last >= from && before_next
    }
}

impl Bursts {
    /// Counts failures; what has no time belongs to no burst.
    pub(super) fn add(&mut self, host: u32, when: When, cause: Option<Cause>, count: u64) {
        let Some((first, last)) = when.get() else {
            return;
        };
        let reach = last.saturating_add(GAP).unwrap_or(Timestamp::MAX);
        let from = first.saturating_sub(GAP).unwrap_or(Timestamp::MIN);
        // Nearly always it goes on with the burst of the failure before.
        if let Some(open) = &mut self.open
            && open.has(host, first, from, reach)
        {
            open.burst.last = open.burst.last.max(last);
            open.burst.count(cause, count);
            return;
        }
        self.close();
        let start = self.join(host, first, last, (from, reach), cause, count);
        self.open(host, start);
    }

    /// Takes one out of the map.
    fn open(&mut self, host: u32, start: Timestamp) {
        let mut from = self.known.range((host, start)..=(host, Timestamp::MAX));
        let next = from.nth(1).map(|(key, _)| key.1);
        let burst = self.known.remove(&(host, start));
        self.open = burst.map(|burst| Open {
            host,
            start,
            burst,
            next,
        });
    }

    /// Puts it back.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.known.insert((open.host, open.start), open.burst);
        }
    }

    /// A new burst, with those that it touches. When it begins.
    fn join(
        &mut self,
        host: u32,
        first: Timestamp,
        last: Timestamp,
        (from, reach): (Timestamp, Timestamp),
        cause: Option<Cause>,
        count: u64,
    ) -> Timestamp {
        let near = self.known.range((host, Timestamp::MIN)..=(host, reach));
        let touched: Vec<_> = near
            .rev()
            .take_while(|(_, burst)| burst.last >= from)
            .map(|(key, _)| *key)
            .collect();
        let mut start = first;
        let mut joined = Burst {
            last,
            ..Burst::default()
        };
        joined.count(cause, count);
        for key in touched {
            let Some(old) = self.known.remove(&key) else {
                continue;
            };
            start = start.min(key.1);
            joined.last = joined.last.max(old.last);
            for (cause, count) in old.causes.iter() {
                joined.count(cause, *count);
            }
        }
        if self.known.len() >= 2 * BOUND {
            self.shrink();
        }
        self.known.insert((host, start), joined);
        start
    }

    fn shrink(&mut self) {
        let mut sizes: Vec<_> = self.known.iter().map(|(k, b)| (b.failures, *k)).collect();
        sizes.sort_unstable();
        for (_, key) in &sizes[..sizes.len() - BOUND] {
            self.known.remove(key);
            self.dropped += 1;
        }
    }

    /// The largest ones as (host, beginning, burst), and how many there are
    /// beside them; of several that are as large, the earlier come first.
    pub(super) fn largest(mut self, count: usize) -> (Vec<(u32, Timestamp, Burst)>, u64) {
        self.close();
        let mut all: Vec<_> = self
            .known
            .into_iter()
            .map(|((h, s), b)| (h, s, b))
            .collect();
        all.order_by_key(|(host, start, burst)| (std::cmp::Reverse(burst.failures), *start, *host));
        let more = all.len().saturating_sub(count) as u64 + self.dropped;
        all.truncate(count);
        (all, more)
    }
}

impl Burst {
    fn count(&mut self, cause: Option<Cause>, count: u64) {
        add(&mut self.failures, count);
        add(self.causes.of(cause), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bursts(seconds: &[(i64, i64)]) -> Vec<(i64, i64, u64)> {
        let mut bursts = Bursts::default();
        let time = |s| Timestamp::from_second(s).unwrap();
        for (first, last) in seconds {
            bursts.add(0, When::between(time(*first), time(*last)), None, 1);
            // Another host's are its own.
            bursts.add(1, When::between(time(*first), time(*last)), None, 5);
        }
        let (all, more) = bursts.largest(usize::MAX);
        assert_eq!(more, 0);
        let of_first = all.iter().filter(|(host, _, _)| *host == 0);
        let mut of_first: Vec<_> = of_first
            .map(|(_, start, b)| (start.as_second(), b.last.as_second(), b.failures))
            .collect();
        of_first.sort_unstable();
        of_first
    }

    #[test]
    fn a_gap_parts_them_whatever_comes_first() {
        let mut seconds = vec![(0, 0), (10, 10), (21, 21), (50, 90), (100, 100)];
        let wanted = [(0, 10, 2), (21, 21, 1), (50, 100, 2)];
        assert_eq!(bursts(&seconds), wanted);
        seconds.reverse();
        assert_eq!(bursts(&seconds), wanted);
        // What comes last can join all.
        seconds.push((15, 45));
        assert_eq!(bursts(&seconds), [(0, 100, 6)]);
    }

    #[test]
    fn there_are_never_too_many_and_the_large_ones_stay() {
        let mut bursts = Bursts::default();
        for n in 0..10_000 {
            let time = Timestamp::from_second(n * 100).unwrap();
            let size = if n % 1000 == 7 { 50 } else { 1 };
            bursts.add(0, When::between(time, time), Some(Cause::Lsm), size);
            assert!(bursts.known.len() <= 2 * BOUND);
        }
        let (largest, more) = bursts.largest(10);
        assert_eq!(largest.len(), 10);
        assert!(largest.iter().all(|(_, _, burst)| burst.failures == 50));
        assert_eq!(more, 9_990);
    }
}
