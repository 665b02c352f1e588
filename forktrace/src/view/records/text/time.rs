//! What time it is: the clock's while failures happen, the records' in a recording. The host's clock may
//! have been set back meanwhile: from then on the records' is another, and ours goes on.

use std::time::{Duration, Instant};

use jiff::Timestamp;

pub(super) use crate::model::time::milliseconds;
use crate::record::Record;

/// By as much failures may be out of their order, with a clock that was not set back: each processor has
/// its own to be read.
const OUT_OF_ORDER: u64 = 10_000;

/// Milliseconds, which never go back.
pub(super) struct Time {
    /// When it began; `None`: time is the records'.
    began: Option<(Instant, Timestamp)>,
    now: u64,
    /// By how much the records' clock has been set back.
    set_back: u64,
}

impl Time {
    /// `live`: records come as they happen.
    pub(super) fn new(live: bool) -> Self {
        Self {
            began: live.then(|| (Instant::now(), Timestamp::now())),
            now: 0,
            set_back: 0,
        }
    }

    /// When this record is shown.
    pub(super) fn at(&mut self, record: &Record) -> u64 {
        let now = match self.began {
            Some(_) => self.now(),
            None => self.of_records(record.time()).unwrap_or(0),
        };
        self.now = match record {
            // Another recording may be of an earlier time.
            Record::Session(_) => {
                let before = std::mem::take(&mut self.set_back);
                now.saturating_sub(before)
            }
            Record::Failure(_) if self.is_set_back(record) => {
                self.set_back += self.now - now;
                self.now
            }
            _ => self.now.max(now),
        };
        self.now
    }

    /// Whether the clock has been set back before this record. A loss may have begun long ago, and be no sign
    /// of that.
    pub(super) fn is_set_back(&self, record: &Record) -> bool {
        let failed = matches!(record, Record::Failure(_)) && self.began.is_none();
        failed
            && self
                .of_records(record.time())
                .is_some_and(|at| at.saturating_add(OUT_OF_ORDER) < self.now)
    }

    fn of_records(&self, time: &str) -> Option<u64> {
        Some(milliseconds(time)?.saturating_add(self.set_back))
    }

    /// As of the latest record, where time is theirs.
    pub(super) fn now(&self) -> u64 {
        match self.began {
            Some((began, _)) => u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            None => self.now,
        }
    }

    /// When that is; `None` where it doesn't come by itself.
    pub(super) fn instant(&self, at: u64) -> Option<Instant> {
        let (began, _) = self.began?;
        began.checked_add(Duration::from_millis(at))
    }

    /// As records have it.
    pub(super) fn clock(&self, at: u64) -> String {
        let began = self.began.map_or(0, |(_, wall)| wall.as_millisecond());
        let at = i64::try_from(at.saturating_sub(self.set_back)).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(began.saturating_add(at));
        at.map_or_else(|_| String::new(), |at| at.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Summary;

    fn end(ended: &str) -> Record {
        Record::Summary(Summary {
            ended: ended.to_owned(),
            ..Summary::default()
        })
    }

    #[test]
    fn a_recording_s_time_is_the_records_and_never_goes_back() {
        let mut time = Time::new(false);
        let at = time.at(&end("2026-01-01T00:00:02.5Z"));
        assert_eq!(time.clock(at), "2026-01-01T00:00:02.5Z");
        assert_eq!(time.at(&end("2026-01-01T00:00:01Z")), at);
        assert_eq!(time.at(&end("soon")), at);
        assert_eq!(time.now(), at);
        assert_eq!(time.instant(at), None);
    }

    #[test]
    fn a_clock_that_was_set_back_goes_on_from_there() {
        let failure =
            |time: &str| Record::Failure(Box::new(crate::report::tests::failure(1, time)));
        let mut time = Time::new(false);
        let early = time.at(&failure("2026-01-01T12:00:00Z"));
        // A little out of order is no other clock.
        let late = failure("2026-01-01T11:59:55Z");
        assert!(!time.is_set_back(&late));
        assert_eq!(time.at(&late), early);
        let back = failure("2026-01-01T10:00:00Z");
        assert!(time.is_set_back(&back));
        assert_eq!(time.at(&back), early);
        assert_eq!(time.clock(early), "2026-01-01T10:00:00Z");
        let on = time.at(&failure("2026-01-01T10:00:07Z"));
        assert_eq!(on, early + 7_000);
        assert_eq!(time.clock(on), "2026-01-01T10:00:07Z");
    }

    #[test]
    fn live_it_passes() {
        let time = Time::new(true);
        assert!(time.instant(5).is_some());
        assert!(time.now() < 60_000);
        assert!(time.clock(0).len() > "2026-01-01T00:00:00Z".len() - 1);
    }
}
