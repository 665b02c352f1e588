//! `check --short`: one line, for a greeting (motd) or a monitoring system (Nagios), whose states are
//! those of the exit status: 0 OK, 1 WARNING.

use super::rows::{sentence, unseen, would_refuse};
use crate::{
    headroom::{Headroom, SubjectKind, Unreadable},
    view::{
        clean, holders,
        output::{Format, How},
    },
};

pub(crate) const FORMAT: Format<Headroom> = Format {
    name: "short",
    about: "One line",
    for_people: true,
    how: How::Document(|headroom, _| format!("{}\n", clean(&line(headroom)))),
};

fn line(h: &Headroom) -> String {
    let state = match h.is_fault() {
        true => "WARNING",
        false => "OK",
    };
    let unseen: Vec<&str> = unknown(h).map(|missing| &*missing.what).collect();
    let unseen = match unseen.is_empty() {
        true => String::new(),
        false => format!("; can't be read: {}", unseen.join(", ")),
    };
    format!("forktrace {state}: {}{}{unseen}", said(h), changed(h))
}

/// Since the baseline; of another host or kernel it says so too.
fn changed(h: &Headroom) -> String {
    let Some(drift) = &h.drift else {
        return String::new();
    };
    let changed = match &drift.changes[..] {
        [] => "no setting changed".to_owned(),
        [one] => format!("1 setting changed ({})", one.text),
        several => format!("{} settings changed", several.len()),
    };
    let host = drift.host.as_ref().map(|host| format!(" of {host}"));
    format!("; {changed} since the baseline{}", host.unwrap_or_default())
}

/// What no line may pass over: of any fork the cgroups, which are the usual limits, and all where
/// one asks for somebody's forks.
fn unknown(h: &Headroom) -> Box<dyn Iterator<Item = &Unreadable> + '_> {
    match h.of.kind {
        SubjectKind::Host => Box::new(unseen(h)),
        _ => Box::new(h.unreadable.iter()),
    }
}

fn said(h: &Headroom) -> String {
    if let Some(blocked) = h.blocked.first() {
        return blocked.text.clone();
    }
    if let Some(would) = &h.would {
        return match would.refused.first() {
            Some(first) => format!("of {} more, {}", would.tasks, would_refuse(first, would)),
            None => format!("none of {} more would be refused", would.tasks),
        };
    }
    let mut near = h.nearest();
    let Some(first) = near.next() else {
        return match h.limits.iter().find(|row| row.exempt.is_none()) {
            Some(first) => format!(
                "nothing at {} % or above; nearest: {}",
                h.warn,
                sentence(first)
            ),
            None => "no limit applies".to_owned(),
        };
    };
    let mut said = sentence(first);
    match near.count() {
        0 => {}
        more => said.push_str(&format!(" ({more} more near)")),
    }
    if !first.holders.is_empty() {
        said.push_str(&format!("; held by {}", holders::line(&first.holders)));
    }
    said
}
