//! How full a limit was over time, as far as refusals say it: what was in use and the limit's value, the
//! highest of each of at most 64 buckets, whose width doubles when they no longer reach.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{document::Fullness, when::When};

const BUCKETS: i64 = 64;

#[derive(Clone, Default)]
pub(super) struct Fill {
    /// A bucket is two to the power of so many seconds wide.
    power: u32,
    buckets: BTreeMap<i64, (u64, u64)>,
}

impl Fill {
    /// Takes the numbers of a refusal.
    pub(super) fn take(&mut self, when: When, usage: u64, value: u64) {
        let Some((_, at)) = when.get() else {
            return;
        };
        let second = at.as_second();
        loop {
            let at = second >> self.power;
            let first = self.buckets.first_key_value().map_or(at, |(low, _)| *low);
            let last = self.buckets.last_key_value().map_or(at, |(high, _)| *high);
            if last.max(at) - first.min(at) < BUCKETS {
                break;
            }
            self.power += 1;
            for (at, (usage, value)) in std::mem::take(&mut self.buckets) {
                self.cover(at >> 1, usage, value);
            }
        }
        self.cover(second >> self.power, usage, value);
    }

    fn cover(&mut self, at: i64, usage: u64, value: u64) {
        let bucket = self.buckets.entry(at).or_default();
        bucket.0 = bucket.0.max(usage);
        bucket.1 = bucket.1.max(value);
    }

    /// `None` where nothing was taken.
    pub(super) fn finish(self) -> Option<Fullness> {
        let (first, _) = self.buckets.first_key_value()?;
        let (last, _) = self.buckets.last_key_value()?;
        let start = Timestamp::from_second(first << self.power).unwrap_or(Timestamp::MIN);
        let all = *first..=*last;
        Some(Fullness {
            start: start.to_string(),
            bucket_seconds: 1 << self.power,
            usage: all
                .clone()
                .map(|at| self.buckets.get(&at).map(|bucket| bucket.0))
                .collect(),
            value: all
                .map(|at| self.buckets.get(&at).map(|bucket| bucket.1))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> When {
        let time = Timestamp::from_second(second).unwrap();
        When::between(time, time)
    }

    #[test]
    fn the_highest_of_each_bucket_and_gaps_are_gaps() {
        let mut fill = Fill::default();
        for (second, usage, value) in [(100, 10, 10), (100, 12, 11), (103, 7, 20)] {
            fill.take(at(second), usage, value);
        }
        fill.take(When::default(), 99, 99);
        let fullness = fill.clone().finish().unwrap();
        assert_eq!(fullness.bucket_seconds, 1);
        assert_eq!(fullness.usage, [Some(12), None, None, Some(7)]);
        assert_eq!(fullness.value, [Some(11), None, None, Some(20)]);
        fill.take(at(100_000), 1, 20);
        fill.take(at(-5), 30, 31);
        let fullness = fill.finish().unwrap();
        assert!(fullness.usage.len() <= BUCKETS as usize);
        assert_eq!(fullness.usage[0], Some(30));
        assert_eq!(fullness.usage.last(), Some(&Some(1)));
        assert_eq!(fullness.usage.iter().flatten().max(), Some(&30));
        assert!(Fill::default().finish().is_none());
    }
}
