//! Times for people. Records have UTC, RFC 3339; what is shown is in the zone that was chosen
//! ([`crate::model::zone`]), and each view says its offset once.
//!
//! What is no time is shown as it is, made harmless.

use std::borrow::Cow;

use jiff::{Zoned, tz::TimeZone};

use crate::model::{clean, time::timestamp, zone::zone};

/// "13:14:15".
pub(super) fn clock(time: &str) -> Cow<'_, str> {
    shown(time, zone(), "%H:%M:%S")
}

/// "2026-11-22 13:14:15".
pub(super) fn moment(time: &str) -> String {
    shown(time, zone(), "%Y-%m-%d %H:%M:%S").into_owned()
}

/// "11-22 13:14:15".
pub(super) fn without_year(time: &str) -> String {
    shown(time, zone(), "%m-%d %H:%M:%S").into_owned()
}

/// "2026-11-22 13:14:15 +01:00", or with "UTC".
pub fn with_offset(time: &str) -> String {
    moment_in(time, zone())
}

/// "2026-11-22T13:14:15.123456+01:00".
pub(super) fn rfc3339(time: &str) -> Cow<'_, str> {
    shown(time, zone(), "%Y-%m-%dT%H:%M:%S%.6f%:z")
}

/// A day and the offset of its times: what a view has to say again when it is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// "2026-11-22".
    pub(super) date: String,
    /// "+01:00", "UTC".
    pub(super) offset: String,
}

impl Day {
    /// Times without an offset are taken for these.
    pub(super) fn is_utc(&self) -> bool {
        self.offset == "UTC"
    }
}

/// The day that a time is on; `None` for what is no time.
pub(super) fn day(time: &str) -> Option<Day> {
    day_in(time, zone())
}

fn day_in(time: &str, zone: &TimeZone) -> Option<Day> {
    let at = read(time, zone)?;
    Some(Day {
        date: at.date().to_string(),
        offset: offset(&at),
    })
}

fn moment_in(time: &str, zone: &TimeZone) -> String {
    let Some(at) = read(time, zone) else {
        return clean(time).into_owned();
    };
    format!("{} {}", at.strftime("%Y-%m-%d %H:%M:%S"), offset(&at))
}

/// London's winter is "+00:00". The rules tell, not the zone's name: a file called UTC can hold others.
fn offset(at: &Zoned) -> String {
    let utc = at.offset().is_zero() && at.strftime("%Z").to_string() == "UTC";
    match utc {
        true => "UTC".to_owned(),
        false => at.strftime("%:z").to_string(),
    }
}

fn shown<'a>(time: &'a str, zone: &TimeZone, format: &str) -> Cow<'a, str> {
    match read(time, zone) {
        Some(at) => Cow::Owned(at.strftime(format).to_string()),
        None => clean(time),
    }
}

fn read(time: &str, zone: &TimeZone) -> Option<Zoned> {
    Some(timestamp(time)?.to_zoned(zone.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By a rule, so that no database is needed.
    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn local_with_the_offset_of_that_day() {
        let zone = berlin();
        let clock = |time| shown(time, &zone, "%H:%M:%S").into_owned();
        assert_eq!(clock("2026-11-22T13:14:15.5Z"), "14:14:15");
        assert_eq!(clock("2026-07-22T13:14:15.5Z"), "15:14:15");
        let whole = |time| moment_in(time, &zone);
        assert_eq!(whole("2026-11-22T23:30:00Z"), "2026-11-23 00:30:00 +01:00");
        assert_eq!(whole("2026-07-22T23:30:00Z"), "2026-07-23 01:30:00 +02:00");
        let day = day_in("2026-11-22T23:30:00Z", &zone).unwrap();
        assert_eq!((&*day.date, &*day.offset), ("2026-11-23", "+01:00"));
    }

    #[test]
    fn utc_says_so_and_london_does_not() {
        let time = "2026-11-22T13:14:15.123456789Z";
        assert_eq!(moment_in(time, &TimeZone::UTC), "2026-11-22 13:14:15 UTC");
        let london = TimeZone::posix("GMT0BST,M3.5.0/1,M10.5.0").unwrap();
        assert_eq!(moment_in(time, &london), "2026-11-22 13:14:15 +00:00");
        let called_so = TimeZone::posix("UTC5").unwrap();
        assert_eq!(moment_in(time, &called_so), "2026-11-22 08:14:15 -05:00");
        // Nothing was chosen here.
        assert_eq!(with_offset(time), "2026-11-22 13:14:15 UTC");
        assert_eq!(clock(time), "13:14:15");
        assert_eq!(without_year(time), "11-22 13:14:15");
        assert_eq!(rfc3339(time), "2026-11-22T13:14:15.123456+00:00");
    }

    #[test]
    fn what_is_no_time_is_harmless() {
        assert_eq!(moment("soon"), "soon");
        assert_eq!(clock("\x1b[2J"), "\\u{1b}[2J");
        assert_eq!(day("é"), None);
    }
}
