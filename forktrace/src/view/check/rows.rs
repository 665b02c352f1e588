//! The limits.

use std::fmt::Write as _;

use super::Text;
use crate::{
    headroom::{Next, Refuses, Row, SubjectKind},
    model::{Owner, Unit, amount, bytes},
    view::{clean, holders, report::table::Table, times::with_offset, wrap::wrap},
};

/// Rows of the table; what is near is always printed.
const ROWS: usize = 12;
/// From this percentage on a row's notes are printed.
const PRESSES: f64 = 50.0;

impl Text<'_> {
    /// Whose fork, where, and the nearest limit.
    pub(super) fn opening(&mut self) {
        let dim = self.colours.dim;
        let of = &self.h.of;
        let whose = match (&of.kind, &of.name) {
            (_, None) => "any fork".to_owned(),
            (SubjectKind::Process, Some(pid)) => match &self.h.process {
                Some(p) => format!("forks of {} (pid {})", p.comm, p.pid),
                None => format!("forks of pid {pid}"),
            },
            (kind, Some(name)) => format!("forks of {kind} {name}"),
        };
        let mut title = format!(
            "forktrace {}: {whose} on {} (Linux {})",
            self.h.version, self.h.host, self.h.kernel
        );
        if !self.h.time.is_empty() {
            title.push_str(&format!(", {}", with_offset(&self.h.time)));
        }
        for line in wrap(&clean(&title), self.width) {
            let _ = writeln!(self.out, "{dim}{line}{dim:#}");
        }
        let bad = self.colours.bad;
        for blocked in &self.h.blocked {
            for line in wrap(&clean(&blocked.text), self.width) {
                let _ = writeln!(self.out, "{bad}{line}{bad:#}");
            }
        }
        // What can't be seen comes before what seems to be fine.
        for missing in self
            .h
            .unreadable
            .iter()
            .filter(|u| u.what.contains("cgroup"))
        {
            let text = format!("{} can't be read: {}", missing.what, missing.why);
            for line in wrap(&clean(&text), self.width) {
                let _ = writeln!(self.out, "{bad}{line}{bad:#}");
            }
        }
        let Some(first) = self.h.limits.first() else {
            return self.line("no limit could be read");
        };
        let (style, text) = match (first.exempt.is_some(), self.h.near) {
            (true, _) => (self.colours.good, "no limit applies".to_owned()),
            (_, 0) => (
                self.colours.good,
                format!(
                    "nothing at {} % or above; nearest: {}",
                    self.h.warn,
                    sentence(first)
                ),
            ),
            (_, n) => {
                let more = match n - 1 {
                    0 => String::new(),
                    more => format!("; {more} more below"),
                };
                (self.colours.bad, format!("{}{more}", sentence(first)))
            }
        };
        for line in wrap(&clean(&text), self.width) {
            let _ = writeln!(self.out, "{style}{line}{style:#}");
        }
    }

    pub(super) fn limits(&mut self) {
        let shown = ROWS.max(self.h.near as usize);
        let rows: Vec<&Row> = self.h.limits.iter().take(shown).collect();
        if !rows.is_empty() {
            self.head("Limits, nearest first");
            let mut table = Table::new(&[">full", "limit", "of", ">in use", ">allowed"]);
            for row in &rows {
                table.row(cells(row));
            }
            table.print(&mut self.out, self.colours, self.room, 2);
        }
        let more = self.h.limits.len().saturating_sub(shown);
        if more > 0 {
            self.line(&format!("… {more} more, none of them fuller"));
        }
        self.notes(&rows);
        self.unlimited();
        self.advice();
    }

    /// What the table can't hold, of the rows in it.
    fn notes(&mut self, rows: &[&Row]) {
        for row in rows {
            let refuses = match row.refuses {
                Refuses::Tasks => None,
                Refuses::Processes => Some("refuses processes, not threads, vfork or posix_spawn"),
                Refuses::Threads => Some("refuses the stacks of new threads, not processes"),
            };
            // What doesn't press is in the JSON.
            if row.exempt.is_none() && row.percent.is_none_or(|percent| percent < PRESSES) {
                continue;
            }
            let notes: Vec<String> = row
                .exempt
                .iter()
                .map(|why| format!("does not apply: {why}"))
                .chain(refuses.map(str::to_owned))
                .chain(row.notes.iter().cloned())
                .chain(held_by(row))
                .collect();
            if !notes.is_empty() {
                let what = match row.next {
                    Some(_) => format!("{} of {}", row.limit.kind, owner(row)),
                    None => format!("{} of {}", row.limit.kind, row.limit.owner),
                };
                self.labelled("  - ", &format!("{what}: {}", notes.join("; ")));
            }
        }
    }

    fn unlimited(&mut self) {
        let rows = &self.h.unlimited;
        if rows.is_empty() || self.h.of.kind == SubjectKind::Host {
            return;
        }
        let names: Vec<String> = rows
            .iter()
            .map(|row| match &row.limit.owner {
                Owner::Process => row.limit.kind.to_string(),
                _ if row.next.is_some() => format!("{} of {}", row.limit.kind, owner(row)),
                owner => format!("{} of {owner}", row.limit.kind),
            })
            .collect();
        self.labelled("  without limit: ", &names.join(", "));
    }

    fn advice(&mut self) {
        let mut causes: Vec<&str> = self.h.blocked.iter().map(|b| b.cause.id()).collect();
        for row in self.h.nearest() {
            if !causes.contains(&row.cause.id()) {
                causes.push(row.cause.id());
            }
        }
        for cause in causes {
            self.labelled("  what to do: ", &format!("forktrace explain {cause}"));
        }
    }
}

fn held_by(row: &Row) -> Option<String> {
    (!row.holders.is_empty()).then(|| format!("held by {}", holders::line(&row.holders)))
}

fn cells(row: &Row) -> Vec<String> {
    let full = match (row.percent, &row.exempt) {
        (_, Some(_)) => "exempt".to_owned(),
        (Some(percent), None) => percentage(percent),
        (None, None) => "-".to_owned(),
    };
    vec![
        full,
        row.limit.kind.to_string(),
        owner(row),
        used(row).map_or_else(|| "-".to_owned(), |n| amount(n, row.limit.unit)),
        row.limit
            .bound()
            .map_or_else(|| "max".to_owned(), |n| amount(n, row.limit.unit)),
    ]
}

/// Rounded down: 100 % is full.
fn percentage(percent: f64) -> String {
    match percent {
        small if small < 10.0 => format!("{small:.1} %"),
        large => format!("{:.0} %", large.floor()),
    }
}

/// With the user's name; a unit's is in its path.
fn owner(row: &Row) -> String {
    let whose = whose(row);
    match row.next {
        Some(Next::Start) => format!("next start of {whose}"),
        Some(Next::Login) => format!("next login of {whose}"),
        None => whose,
    }
}

fn whose(row: &Row) -> String {
    let owner = &row.limit.owner;
    match &row.owner {
        Some(name)
            if matches!(owner, Owner::User { .. })
                || row.is_in_container() && !owner.to_string().contains(bare(name)) =>
        {
            format!("{owner} ({name})")
        }
        _ => owner.to_string(),
    }
}

/// `c1` of `container c1`: what the path says already needs no room.
fn bare(name: &str) -> &str {
    name.rsplit(' ').next().unwrap_or(name)
}

/// What counts against it.
fn used(row: &Row) -> Option<u64> {
    let asked = match row.limit.unit {
        Unit::Bytes => row.limit.requested,
        _ => None,
    };
    let used = row.limit.usage.or(asked.map(|_| 0))?;
    Some(used.saturating_sub(row.reclaimable.unwrap_or(0)) + asked.unwrap_or(0))
}

/// "pids.max of /a is 95 % full: 95 of 100 tasks".
fn sentence(row: &Row) -> String {
    let limit = &row.limit;
    let (Some(used), Some(bound)) = (used(row), limit.bound()) else {
        return format!("{} of {}", limit.kind, owner(row));
    };
    let (used, bound) = match limit.unit {
        Unit::Bytes => (bytes(used), bytes(bound)),
        unit => (amount(used, unit), amount(bound, unit)),
    };
    let what = match limit.unit {
        Unit::Tasks => " tasks",
        Unit::Ids => " ids",
        Unit::Mappings => " mappings",
        _ => "",
    };
    format!(
        "{} of {} is {} full: {used} of {bound}{what}",
        limit.kind,
        owner(row),
        percentage(row.percent.unwrap_or(0.0))
    )
}
