//! Marks of a time axis, at round times of the zone that is shown.

use jiff::{Timestamp, tz::TimeZone};

use crate::model::zone::zone;

/// Marks at most.
const MOST: i64 = 6;

/// Steps between marks, in seconds.
const STEPS: [i64; 19] = [
    1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    604_800, 2_592_000,
];
const DAY: i64 = 86_400;

/// A mark.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Mark {
    /// From 0 to 1.
    pub at: f64,
    pub text: String,
}

/// The marks of so many buckets from a time on.
pub(super) fn marks(start: &str, bucket_seconds: u64, buckets: usize) -> Vec<Mark> {
    marks_in(zone(), start, bucket_seconds, buckets)
}

fn marks_in(zone: &TimeZone, start: &str, bucket_seconds: u64, buckets: usize) -> Vec<Mark> {
    let Ok(start) = start.parse::<Timestamp>() else {
        return Vec::new();
    };
    let span = i64::try_from(bucket_seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(buckets as i64)
        .max(1);
    let begin = start.as_second();
    let longest = STEPS[STEPS.len() - 1];
    let step = STEPS.into_iter().find(|step| span / step <= MOST);
    let step = step.unwrap_or_else(|| (span / MOST / longest + 1).saturating_mul(longest));
    // Round in local time, whose offset may change on the way.
    let local = begin + i64::from(zone.to_offset(start).seconds());
    let first = local.div_euclid(step) * step;
    let mut marks: Vec<Mark> = Vec::new();
    for n in 0..=MOST + 2 {
        let civil = n
            .checked_mul(step)
            .and_then(|after| first.checked_add(after));
        let civil = civil.and_then(|second| Timestamp::from_second(second).ok());
        let Some(civil) = civil.map(|time| TimeZone::UTC.to_datetime(time)) else {
            break;
        };
        let Ok(time) = zone.to_ambiguous_zoned(civil).compatible() else {
            break;
        };
        let at = (time.timestamp().as_second() - begin) as f64 / span as f64;
        let format = match step {
            _ if step >= DAY || time.time() == jiff::civil::Time::midnight() => "%m-%d",
            60.. => "%H:%M",
            _ => "%H:%M:%S",
        };
        if (0.0..1.0).contains(&at) && marks.last().is_none_or(|last| last.at < at) {
            let text = time.strftime(format).to_string();
            marks.push(Mark { at, text });
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_few() {
        let texts = |start, seconds, buckets| {
            let marks = marks_in(&TimeZone::UTC, start, seconds, buckets);
            marks.into_iter().map(|mark| mark.text).collect::<Vec<_>>()
        };
        assert_eq!(
            texts("2026-01-01T23:30:10Z", 60, 100),
            [
                "00:00".replace("00:00", "01-02"),
                "00:30".to_owned(),
                "01:00".to_owned()
            ]
        );
        assert_eq!(texts("2026-01-01T00:00:00.5Z", 1, 10).len(), 5);
        assert_eq!(
            texts("2026-01-01T12:00:00Z", 4096, 106),
            ["01-02", "01-03", "01-04", "01-05", "01-06"]
        );
        for power in 0..40 {
            let marks = marks_in(&TimeZone::UTC, "1970-01-01T00:00:07Z", 1 << power, 120);
            assert!(marks.len() <= MOST as usize + 1, "{marks:?}");
            assert!(marks.iter().all(|mark| (0.0..1.0).contains(&mark.at)));
        }
        assert!(marks("soon", 1, 1).is_empty());
    }

    #[test]
    fn local_midnight_stays_midnight_when_clocks_change() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let marks = marks_in(&berlin, "2026-03-27T12:00:00Z", 3600, 96);
        let at: Vec<i64> = marks
            .iter()
            .map(|mark| (mark.at * 96.0).round() as i64)
            .collect();
        // 28th and 29th at 23:00 UTC of the day before, 30th and 31st at 22:00.
        assert_eq!(at, [11, 35, 58, 82]);
    }
}
