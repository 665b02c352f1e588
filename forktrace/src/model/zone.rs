//! The time zone in which times are shown and read: one for the whole process, as tzset(3) has it,
//! so that what is printed and what is typed can't differ.

use std::sync::OnceLock;

use jiff::{Timestamp, Zoned, tz::TimeZone};

static ZONE: OnceLock<TimeZone> = OnceLock::new();
static UTC: TimeZone = TimeZone::UTC;

/// Chooses the zone, once, before the first time is shown. Its rules are in memory from then on:
/// they are needed when no file can be opened any more.
pub fn choose(zone: TimeZone) {
    // The first choice holds.
    let _ = ZONE.set(zone);
}

/// The zone that was chosen, and UTC until then.
pub fn zone() -> &'static TimeZone {
    ZONE.get().unwrap_or(&UTC)
}

/// The present.
pub fn now() -> Zoned {
    Timestamp::now().to_zoned(zone().clone())
}
