//! What of recordings could not be read, or is missing: the sentences, which come by themselves behind a
//! file's name and among a report's notes.

use super::{clean, count, with_offset};
use crate::recording::Damage;

/// What was passed over, one sentence each.
pub fn damage(d: &Damage) -> Vec<String> {
    let lines = |n| match n {
        1 => "1 line is no record of this version, passed over".to_owned(),
        n => format!("{n} lines are no records of this version, passed over"),
    };
    let refused = |n| match d.largest_window.div_ceil(1 << 20) {
        // A report that was written as JSON hasn't got it.
        0 => format!("{} not read, for want of memory", count(n, "frame")),
        window => format!(
            "{} not read, for want of a window of {window} MiB: `zstd -d --long=31` decompresses it",
            count(n, "frame")
        ),
    };
    let all = [
        (d.unreadable, lines(d.unreadable)),
        (
            d.torn_bytes,
            format!(
                "{} behind the last whole line: the recording was cut off there",
                count(d.torn_bytes, "byte")
            ),
        ),
        (
            d.bad_frames,
            format!(
                "compressed data is damaged or cut off in {}",
                count(d.bad_frames, "place")
            ),
        ),
        (
            d.lost_lines,
            format!(
                "{} lost there, if not more: the checksum of the data doesn't hold",
                count(d.lost_lines, "line")
            ),
        ),
        (
            d.open_frames,
            "compressed data without an end: still being written, or cut off by a crash".to_owned(),
        ),
        (d.refused_frames, refused(d.refused_frames)),
    ];
    let there = all.into_iter().filter(|(n, _)| *n > 0);
    there.map(|(_, text)| text).collect()
}

/// That so many sessions have no summary; `None` of none.
pub fn without_summary(sessions: u64) -> Option<String> {
    (sessions > 0).then(|| {
        format!(
            "{} without a summary: ended in a crash, still being written, or the last file is \
             not among these",
            count(sessions, "session")
        )
    })
}

/// That so many failures that a session's summary counts don't stand in the files; `None` of none.
pub fn not_in_files(failures: u64, host: &str, started: Option<&str>) -> Option<String> {
    (failures > 0).then(|| {
        format!(
            "{} of {} {} not in these files",
            count(failures, "failure"),
            session(host, started),
            if failures == 1 { "is" } else { "are" }
        )
    })
}

/// "the session of web1 at 2026-11-22 13:14:15".
pub(super) fn session(host: &str, started: Option<&str>) -> String {
    match started {
        Some(started) => format!("the session of {} at {}", clean(host), with_offset(started)),
        None => "a session that doesn't say its host".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_there_is_and_of_one_in_the_singular() {
        assert!(damage(&Damage::default()).is_empty() && without_summary(0).is_none());
        let of = Damage {
            unreadable: 1,
            torn_bytes: 20,
            refused_frames: 2,
            ..Damage::default()
        };
        assert_eq!(
            damage(&of),
            [
                "1 line is no record of this version, passed over",
                "20 bytes behind the last whole line: the recording was cut off there",
                "2 frames not read, for want of memory",
            ]
        );
        let of = Damage {
            unreadable: 2,
            refused_frames: 1,
            largest_window: (256 << 20) + 1,
            ..Damage::default()
        };
        let told = damage(&of);
        assert!(told[0].starts_with("2 lines are no records"), "{told:?}");
        assert!(
            told[1].starts_with("1 frame not read, for want of a window of 257 MiB"),
            "{told:?}"
        );
        assert!(without_summary(1).unwrap().starts_with("1 session without"));
    }

    #[test]
    fn failures_that_are_not_there() {
        assert_eq!(not_in_files(0, "web1", None), None);
        let told = not_in_files(1, "we\u{1b}b1", Some("2026-11-22T13:14:15Z")).unwrap();
        assert!(told.starts_with("1 failure of the session of "), "{told}");
        assert!(told.ends_with(" is not in these files") && !told.contains('\u{1b}'));
    }
}
