//! Times as people write them.

use jiff::{Span, Timestamp, Zoned, civil};

/// Why a time can't be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no time: give one like \"10m\" (ago), \"14:05\", \"yesterday 14:05\", \
     \"2026-11-22\", \"2026-11-22 14:05:30\" or \"2026-11-22T13:05:30Z\""
)]
pub struct NoTime(String);

/// Parses a time, relative to `now` and in its time zone. A time of day that is
/// still to come today was meant of today all the same.
pub fn parse(text: &str, now: &Zoned) -> Result<Timestamp, NoTime> {
    let bad = || NoTime(text.to_owned());
    let words = text.trim();
    if words.eq_ignore_ascii_case("now") {
        return Ok(now.timestamp());
    }
    let ago = words.strip_suffix("ago");
    // "09:30:15" is a time of the day, and would be a span as well.
    if ago.is_some() || !words.contains(':') {
        match ago.unwrap_or(words).trim().parse::<Span>() {
            // "1h" and "-1h" are so long ago, as "1h ago" is.
            Ok(back) if ago.is_none() || !back.is_negative() => {
                let then = now.checked_sub(back.abs());
                return Ok(then.map_err(|_| bad())?.timestamp());
            }
            _ if ago.is_some() => return Err(bad()),
            _ => {}
        }
    }
    if let Ok(timestamp) = words.parse::<Timestamp>() {
        return Ok(timestamp);
    }
    let (day, rest) = match words.split_once(' ') {
        Some(("today", rest)) => (Some(now.date()), rest),
        Some(("yesterday", rest)) => (now.date().yesterday().ok(), rest),
        _ if words == "today" => (Some(now.date()), "00:00"),
        _ if words == "yesterday" => (now.date().yesterday().ok(), "00:00"),
        _ => (None, words),
    };
    // A date with a time parses as a time as well, and so does a year: 20:26.
    let time =
        (!rest.contains('-') && rest.contains(':')).then(|| rest.trim().parse::<civil::Time>());
    let local = if let Some(Ok(time)) = time {
        day.unwrap_or(now.date()).to_datetime(time)
    } else if day.is_none() {
        // A date alone is its midnight.
        rest.parse::<civil::DateTime>().map_err(|_| bad())?
    } else {
        return Err(bad());
    };
    let zoned = local.to_zoned(now.time_zone().clone()).map_err(|_| bad())?;
    Ok(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<String, NoTime> {
        let now: Zoned = "2026-11-22T14:00:00+01:00[+01:00]".parse().unwrap();
        parse(text, &now).map(|t| t.to_string())
    }

    #[test]
    fn takes_what_people_write() {
        for (text, wanted) in [
            ("now", "2026-11-22T13:00:00Z"),
            ("10m ago", "2026-11-22T12:50:00Z"),
            ("10m", "2026-11-22T12:50:00Z"),
            ("1h", "2026-11-22T12:00:00Z"),
            ("-1h", "2026-11-22T12:00:00Z"),
            ("1h 30m", "2026-11-22T11:30:00Z"),
            ("7d", "2026-11-15T13:00:00Z"),
            ("1h 30m ago", "2026-11-22T11:30:00Z"),
            ("2 days ago", "2026-11-20T13:00:00Z"),
            ("14:05", "2026-11-22T13:05:00Z"),
            ("09:30:15", "2026-11-22T08:30:15Z"),
            ("today", "2026-11-21T23:00:00Z"),
            ("yesterday 14:05", "2026-11-21T13:05:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-07-20 08:00", "2026-07-20T07:00:00Z"),
            ("2026-11-22T13:05:30Z", "2026-11-22T13:05:30Z"),
            ("2026-11-22T13:05:30.5+02:00", "2026-11-22T11:05:30.5Z"),
        ] {
            assert_eq!(at(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "soon",
            "ago",
            "25:00",
            "-1h ago",
            "30",
            "2026",
            "14",
            "yesterday 14",
            "2026-13-01",
            "yesterday 2026-11-20",
        ] {
            assert!(at(text).is_err(), "{text}");
        }
    }
}
