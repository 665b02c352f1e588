//! What time it is: the clock's while failures happen, the records' in a recording.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::record::Record;

/// Milliseconds, which never go back.
pub(super) struct Time {
    /// When it began; `None`: time is the records'.
    began: Option<(Instant, Timestamp)>,
    now: u64,
}

impl Time {
    /// `live`: records come as they happen.
    pub(super) fn new(live: bool) -> Self {
        Self {
            began: live.then(|| (Instant::now(), Timestamp::now())),
            now: 0,
        }
    }

    /// When this record is shown.
    pub(super) fn at(&mut self, record: &Record) -> u64 {
        let now = match self.began {
            Some(_) => self.now(),
            None => milliseconds(record.time()).unwrap_or(0),
        };
        self.now = match record {
            // Another recording may be of an earlier time.
            Record::Session(_) => now,
            _ => self.now.max(now),
        };
        self.now
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
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        let at = Timestamp::from_millisecond(began.saturating_add(at));
        at.map_or_else(|_| String::new(), |at| at.to_string())
    }
}

/// Of an RFC 3339 time.
pub(super) fn milliseconds(time: &str) -> Option<u64> {
    let time: Timestamp = time.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
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
    fn live_it_passes() {
        let time = Time::new(true);
        assert!(time.instant(5).is_some());
        assert!(time.now() < 60_000);
        assert!(time.clock(0).len() > "2026-01-01T00:00:00Z".len() - 1);
    }
}
