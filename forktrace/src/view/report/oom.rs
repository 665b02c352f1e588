//! OOM kills in a report: whose words the text and the page share.

use super::words::{count, short, with_offset};
use crate::{
    report::{NearRow, OomReport},
    view::oom_kills,
};

/// "3 OOM kills, 2026-01-01 00:00:00 UTC to 2026-01-01 00:00:09 UTC".
pub(super) fn heading(oom: &OomReport) -> String {
    let mut line = oom_kills(oom.kills);
    if oom.already_dying > 0 {
        line.push_str(&format!(" ({} dying already)", oom.already_dying));
    }
    if let (Some(first), Some(last)) = (&oom.first, &oom.last) {
        line.push_str(&format!(
            ", {} to {}",
            with_offset(first),
            with_offset(last)
        ));
    }
    line
}

/// Over the kills that were near a failure.
pub(super) fn near_heading(oom: &OomReport) -> String {
    format!(
        "OOM kills within {} s of a failure for want of memory",
        oom.near_seconds
    )
}

/// "2 s after it: 5 failures".
pub(super) fn apart(row: &NearRow) -> String {
    let failures = count(row.failures, "failure");
    match row.nearest_seconds {
        0 => format!("{failures}, nearest in the same second"),
        n if n > 0 => format!("{failures}, nearest {n} s later"),
        n => format!("{failures}, nearest {} s before", n.unsigned_abs()),
    }
}

/// "postgres[812]".
pub(super) fn who(row: &NearRow) -> String {
    format!("{}[{}]", row.comm, row.pid)
}

/// When, shortly.
pub(super) fn at(row: &NearRow) -> String {
    short(Some(&row.time))
}

/// What the rows leave out, one sentence each.
pub(super) fn left_out(oom: &OomReport) -> Vec<String> {
    let mut left = Vec::new();
    if oom.more_near > 0 {
        left.push(format!("{} more", oom_kills(oom.more_near)));
    }
    if !oom.near_exact {
        left.push("there was more than can be compared: others can have been near".to_owned());
    }
    left
}
