//! The time zone of what is typed and printed.

use std::{env, fs};

use forktrace::view::{clean, zone};
use jiff::tz::TimeZone;

/// Takes UTC, or what TZ or else /etc/localtime name, by the system's own database: jiff's zones in
/// the program would be of the day when it was built. The rules are read here and now, because a
/// tracer that has given up what it no longer needs opens no such file.
pub(super) fn choose(utc: bool) {
    if utc {
        return zone::choose(TimeZone::UTC);
    }
    match TimeZone::try_system() {
        Ok(system) => zone::choose(system),
        // Without either, a host's time is UTC.
        Err(_) => {
            if let Some(why) = why_none() {
                eprintln!("forktrace: {why}; times are UTC");
            }
            zone::choose(TimeZone::UTC);
        }
    }
}

fn why_none() -> Option<String> {
    if let Some(name) = env::var_os("TZ") {
        return Some(format!(
            "TZ={} is no time zone that this host knows",
            clean(&name.to_string_lossy())
        ));
    }
    fs::symlink_metadata("/etc/localtime")
        .is_ok()
        .then(|| "/etc/localtime is no time zone, or one that this host doesn't have".to_owned())
}
