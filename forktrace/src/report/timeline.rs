//! Failures over time: at most 120 buckets, whose width doubles when they no
//! longer reach.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::{counts::add, when::When};

/// Buckets at most.
pub(super) const BUCKETS: i64 = 120;

/// A histogram by what a failure has: its cause, where `None` is lost in detail, or its host.
#[derive(Clone)]
pub(super) struct Timeline<K> {
    /// Width of a bucket: two to the power of so many seconds. Buckets lie at
    /// multiples of it, so that what comes out doesn't depend on what came first.
    power: u32,
    /// From the bucket of this number on, without a gap.
    first: i64,
    buckets: VecDeque<BTreeMap<K, u64>>,
    without_time: u64,
}

impl<K> Default for Timeline<K> {
    fn default() -> Self {
        Self {
            power: 0,
            first: 0,
            buckets: VecDeque::new(),
            without_time: 0,
        }
    }
}

impl<K: Ord + Copy> Timeline<K> {
    /// Counts failures that went on for a time, spread evenly over it.
    pub(super) fn add(&mut self, when: When, cause: K, count: u64) {
        let Some((first, last)) = when.get() else {
            add(&mut self.without_time, count);
            return;
        };
        self.reach(first.as_second(), last.as_second());
        let from = first.as_second() >> self.power;
        let to = last.as_second() >> self.power;
        let parts = (to - from + 1) as u64;
        let (each, mut more) = (count / parts, count % parts);
        for at in from..=to {
            let here = each + u64::from(more > 0);
            more = more.saturating_sub(1);
            if here > 0 {
                let causes = &mut self.buckets[(at - self.first) as usize];
                add(causes.entry(cause).or_default(), here);
            }
        }
    }

    /// Widens the buckets until these seconds have one, and makes those from the first to the last.
    fn reach(&mut self, first: i64, last: i64) {
        loop {
            let mut from = first >> self.power;
            let mut to = last >> self.power;
            if let Some(end) = self.end() {
                from = from.min(self.first);
                to = to.max(end);
            } else {
                self.first = from;
            }
            if to - from < BUCKETS {
                while from < self.first {
                    self.buckets.push_front(BTreeMap::new());
                    self.first -= 1;
                }
                while self.end().is_none_or(|end| end < to) {
                    self.buckets.push_back(BTreeMap::new());
                }
                return;
            }
            self.widen();
        }
    }

    /// The number of the last bucket.
    fn end(&self) -> Option<i64> {
        let before_last = self.buckets.len().checked_sub(1)?;
        Some(self.first + before_last as i64)
    }

    /// Makes one bucket of two.
    fn widen(&mut self) {
        self.power += 1;
        let from = self.first;
        self.first = from >> 1;
        let old = std::mem::take(&mut self.buckets);
        for (at, causes) in (from..).zip(old) {
            if self.end() != Some(at >> 1) {
                self.buckets.push_back(BTreeMap::new());
            }
            let Some(into) = self.buckets.back_mut() else {
                continue;
            };
            for (cause, count) in causes {
                add(into.entry(cause).or_default(), count);
            }
        }
    }

    /// Failures whose time can't be read.
    pub(super) fn without_time(&self) -> u64 {
        self.without_time
    }

    /// Seconds that a bucket is wide.
    pub(super) fn width(&self) -> u64 {
        1 << self.power
    }

    /// When the first bucket begins; `None` without any.
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.end()?;
        // A bucket that begins before the first time there is, ends after it.
        Some(Timestamp::from_second(self.first << self.power).unwrap_or(Timestamp::MIN))
    }

    /// Each one's counts, one for each bucket from the first to the last.
    pub(super) fn series(&self) -> BTreeMap<K, Vec<u64>> {
        let mut series: BTreeMap<_, Vec<u64>> = BTreeMap::new();
        let len = self.buckets.len();
        for (at, causes) in self.buckets.iter().enumerate() {
            for (cause, count) in causes {
                let counts = series.entry(*cause).or_insert_with(|| vec![0; len]);
                add(&mut counts[at], *count);
            }
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cause;

    fn at(second: i64) -> When {
        let time = Timestamp::from_second(second).unwrap();
        When::between(time, time)
    }

    fn sums(timeline: &Timeline<Option<Cause>>) -> u64 {
        timeline.series().values().flatten().sum()
    }

    #[test]
    fn buckets_merge_and_nothing_is_lost_whatever_comes_first() {
        let mut seconds: Vec<i64> = (0..5000).map(|n| (n * n * 7919) % 100_000).collect();
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let mut timeline = Timeline::default();
            for (n, second) in seconds.iter().enumerate() {
                let cause = (n % 2 == 0).then_some(Cause::PidMax);
                let cause = cause.filter(|_| second % 2 == 0);
                timeline.add(at(*second), cause, 3);
                assert!(timeline.buckets.len() <= BUCKETS as usize);
            }
            assert_eq!(sums(&timeline), 15_000);
            assert_eq!(timeline.width(), 1024);
            outcomes.push(timeline.series().values().flatten().sum::<u64>());
            seconds.reverse();
        }
        assert_eq!(outcomes[0], outcomes[1]);
    }

    #[test]
    fn the_order_changes_no_bucket() {
        let series = |seconds: &[i64]| {
            let mut timeline = Timeline::default();
            for second in seconds {
                timeline.add(at(*second), Some(Cause::Lsm), 1);
            }
            (timeline.start(), timeline.width(), timeline.series())
        };
        let one = series(&[-3, 0, 5, 1000, 90_000]);
        assert_eq!(one, series(&[90_000, 5, 1000, 0, -3]));
        assert_eq!(one.1, 1024);
        assert_eq!(one.2[&Some(Cause::Lsm)].len(), 89);
    }

    #[test]
    fn what_goes_on_is_spread_and_the_ends_of_time_fit() {
        let mut timeline = Timeline::default();
        let second = |s| Timestamp::from_second(s).unwrap();
        timeline.add(When::between(second(10), second(13)), None, 10);
        assert_eq!(timeline.series()[&None], [3, 3, 2, 2]);
        timeline.add(When::between(Timestamp::MIN, Timestamp::MAX), None, 1);
        assert_eq!(sums(&timeline), 11);
        assert!(timeline.buckets.len() <= BUCKETS as usize);
        assert!(timeline.start().is_some());
        timeline.add(When::default(), None, 5);
        assert_eq!((sums(&timeline), timeline.without_time()), (11, 5));
    }
}
