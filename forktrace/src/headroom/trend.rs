//! How limits fill up while they are watched, and how long it takes until they are full if it goes on so.
//! That is said only of growth that is steady: a line through what was in use fits it, and the earlier half
//! grew about as fast as the later one. Everything else is no trend, but something that happened.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::model::Limit;

/// Readings that are kept of a limit.
const READINGS: usize = 60;
/// Fewer say nothing, nor do those of less time.
const LEAST: usize = 8;
const LEAST_TIME: f64 = 6.0;
/// How well a line has to fit: the part of the variance that it explains.
const FIT: f64 = 0.9;
/// Halves may differ by this factor.
const HALVES: f64 = 2.0;
/// What takes longer is nothing to watch.
const LONGEST: f64 = 86_400.0;
/// Limits that are followed.
const LIMITS: usize = 4096;

/// Growth of a limit's use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trend {
    /// A second, over the readings that are kept; it may fall.
    pub per_second: f64,
    /// Until it is full, where it grows steadily.
    pub full_in: Option<Duration>,
}

#[derive(Clone, Debug, Default)]
struct Followed {
    /// Seconds since watching began, and what was in use.
    readings: VecDeque<(f64, f64)>,
    bound: f64,
    round: u64,
}

/// The limits that are watched.
#[derive(Clone, Debug, Default)]
pub struct Trends {
    limits: HashMap<String, Followed>,
    round: u64,
}

impl Trends {
    /// Takes a reading; `at` since watching began.
    pub fn take<'a>(&mut self, at: Duration, limits: impl Iterator<Item = &'a Limit>) {
        self.round += 1;
        for limit in limits {
            let (Some(bound), Some(usage)) = (limit.bound(), limit.usage) else {
                continue;
            };
            let key = limit.title();
            if self.limits.len() >= LIMITS && !self.limits.contains_key(&key) {
                continue;
            }
            let followed = self.limits.entry(key).or_default();
            // With another bound it is another limit.
            if followed.bound != bound as f64 {
                followed.readings.clear();
                followed.bound = bound as f64;
            }
            if followed.readings.len() >= READINGS {
                followed.readings.pop_front();
            }
            followed
                .readings
                .push_back((at.as_secs_f64(), usage as f64));
            followed.round = self.round;
        }
        // What is gone begins anew when it comes again.
        let round = self.round;
        self.limits.retain(|_, followed| followed.round == round);
    }

    /// `None` of a limit that was not watched for long enough.
    pub fn of(&self, limit: &Limit) -> Option<Trend> {
        let followed = self.limits.get(&limit.title())?;
        let readings: Vec<(f64, f64)> = followed.readings.iter().copied().collect();
        trend(&readings, followed.bound)
    }
}

fn trend(readings: &[(f64, f64)], bound: f64) -> Option<Trend> {
    let (first, last) = (readings.first()?, readings.last()?);
    if readings.len() < LEAST || last.0 - first.0 < LEAST_TIME {
        return None;
    }
    let (slope, fit) = line(readings);
    let half = readings.len() / 2;
    let (earlier, _) = line(&readings[..=half]);
    let (later, _) = line(&readings[half..]);
    let alike = earlier > 0.0 && later > 0.0 && {
        let ratio = later / earlier;
        (1.0 / HALVES..=HALVES).contains(&ratio)
    };
    let left = bound - last.1;
    let seconds = left / slope;
    let steady = slope > 0.0 && fit >= FIT && alike && left > 0.0 && seconds <= LONGEST;
    Some(Trend {
        per_second: slope,
        full_in: steady.then(|| Duration::from_secs_f64(seconds)),
    })
}

/// Slope of the line through these, by least squares, and how much of the variance it explains.
fn line(readings: &[(f64, f64)]) -> (f64, f64) {
    let n = readings.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| readings.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|r| r.0), mean(|r| r.1));
    let mut sums = (0.0, 0.0, 0.0);
    for (at, used) in readings {
        sums.0 += (at - x) * (at - x);
        sums.1 += (at - x) * (used - y);
        sums.2 += (used - y) * (used - y);
    }
    let (xx, xy, yy) = sums;
    if xx == 0.0 || yy == 0.0 {
        return (0.0, 0.0);
    }
    (xy / xx, xy * xy / (xx * yy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LimitKind, Owner, Unit};

    fn of(used: impl Fn(f64) -> f64, bound: f64) -> Option<Trend> {
        let readings: Vec<_> = (0..30)
            .map(|n| (f64::from(n), used(f64::from(n))))
            .collect();
        trend(&readings, bound)
    }

    #[test]
    fn steady_growth_alone_has_an_end() {
        let steady = of(|t| 10.0 + 2.0 * t, 100.0).unwrap();
        assert!((steady.per_second - 2.0).abs() < 1e-9);
        assert_eq!(steady.full_in, Some(Duration::from_secs(16)));
        let noisy = of(|t| 10.0 + 2.0 * t + f64::from(t as u32 % 3), 100.0).unwrap();
        assert!(noisy.full_in.is_some());
        for (what, used) in [
            (
                "a step",
                (|t| if t < 15.0 { 10.0 } else { 60.0 }) as fn(f64) -> f64,
            ),
            ("ups and downs", |t| 50.0 + 20.0 * (t * 0.7).sin()),
            ("flat", |_| 50.0),
            ("falling", |t| 90.0 - t),
            ("a start that has ended", |t| (t * 6.0).min(60.0)),
            ("full already", |t| 71.0 + t),
            ("for ever", |t| t * 1e-5),
        ] {
            let bound = if what == "full already" { 100.0 } else { 120.0 };
            let trend = of(used, bound).unwrap();
            assert_eq!(trend.full_in, None, "{what}: {trend:?}");
        }
        assert_eq!(trend(&[(0.0, 1.0), (1.0, 2.0)], 9.0), None);
    }

    #[test]
    fn another_bound_and_a_gap_begin_anew() {
        let mut limit = Limit::new(LimitKind::PidsMax, Owner::cgroup("/a"), Unit::Tasks);
        let mut trends = Trends::default();
        let mut watch = |trends: &mut Trends, seconds: std::ops::Range<u64>, value, there| {
            for second in seconds {
                limit.value = Some(value);
                limit.usage = Some(10 + second);
                let limits = if there { Some(&limit) } else { None };
                trends.take(Duration::from_secs(second), limits.into_iter());
            }
            trends.of(&limit)
        };
        let trend = watch(&mut trends, 0..20, 100, true).unwrap();
        assert_eq!(trend.full_in, Some(Duration::from_secs(71)));
        assert_eq!(watch(&mut trends, 20..22, 200, true), None);
        assert!(watch(&mut trends, 22..40, 200, true).is_some());
        assert_eq!(watch(&mut trends, 40..41, 200, false), None);
        assert_eq!(watch(&mut trends, 41..42, 200, true), None);
    }
}
