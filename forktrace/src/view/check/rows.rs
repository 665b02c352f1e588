//! The limits.

use std::fmt::Write as _;

use super::Text;
use crate::{
    headroom::{
        Headroom, Next, Refusal, Refuses, Row, SubjectKind, Unreadable, Unseen, Would,
        is_in_container,
    },
    model::{LimitKind, Owner, Unit, amount, bytes},
    view::{
        clean, count, holders, report::duration, report::table::Table, times::with_offset,
        wrap::wrap,
    },
};

/// Rows of the table; what is near is always printed.
const ROWS: usize = 12;
/// From this percentage on a row's notes are printed.
const PRESSES: f64 = 50.0;

/// "full in about 4 min at the growth seen".
fn full_in(seconds: u64) -> String {
    format!(
        "full in about {} at the growth seen",
        duration(seconds.max(1))
    )
}

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
        for missing in unseen(self.h) {
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

    /// What would come of more tasks.
    pub(super) fn would(&mut self) {
        let Some(would) = &self.h.would else {
            return;
        };
        self.head(&count(would.tasks, "more task"));
        // What refuses each is said above.
        if would.refused.is_empty() && self.h.blocked.is_empty() {
            self.line("none would be refused by a limit that could be read");
        }
        for (at, refusal) in would.refused.iter().enumerate() {
            let before = after(&would.refused[..at], refusal);
            self.line(&format!("{before}{}", would_refuse(refusal, would)));
        }
        if let Some(promised) = &would.promised {
            self.line(&format!(
                "as many forks of the process promise {} ({} each), where {} may be promised still; \
                 a thread and posix_spawn promise their stacks alone, vfork nothing",
                bytes(promised.all),
                bytes(promised.each),
                bytes(promised.left)
            ));
        }
    }

    /// Every limit that has a number.
    pub(super) fn bars(&mut self) {
        if self.h.limits.is_empty() {
            return;
        }
        self.head("Limits, nearest first");
        let mut table = Table::new(&["", ">full", "limit", "of", ">in use", ">allowed"]);
        for row in &self.h.limits {
            let mut cells = cells(row);
            cells.insert(0, bar(row));
            table.row(cells);
        }
        table.print(&mut self.out, self.colours, self.width, 3);
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
            let refuses = refuses(row);
            // What doesn't press is in the JSON; of what is to come, one wants to know why.
            let presses = row.percent.is_some_and(|percent| percent >= PRESSES);
            let fills = row.full_in_seconds.is_some();
            if row.exempt.is_none() && row.next.is_none() && !presses && !fills {
                continue;
            }
            let notes: Vec<String> = row
                .exempt
                .iter()
                .map(|why| format!("does not apply: {why}"))
                .chain(refuses.map(str::to_owned))
                .chain(row.notes.iter().cloned())
                .chain(row.full_in_seconds.map(full_in))
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

/// What can't be seen of cgroups, whose limits are the usual ones; of somebody's forks also what a user
/// namespace has kept of its creator's limit.
pub(super) fn unseen(h: &Headroom) -> impl Iterator<Item = &Unreadable> {
    let any_fork = h.of.kind == SubjectKind::Host;
    let hides = move |of| match of {
        Unseen::Cgroups => true,
        Unseen::UserNamespace => !any_fork,
        Unseen::Others => false,
    };
    h.unreadable.iter().filter(move |missing| hides(missing.of))
}

/// What makes it come to this refusal after those: their limits were raised, or they are of threads and it isn't.
fn after(before: &[Refusal], refusal: &Refusal) -> &'static str {
    let same = |one: &Refusal| [Refuses::Tasks, refusal.refuses].contains(&one.refuses);
    match before.iter().any(same) {
        _ if before.is_empty() => "",
        true => "with that raised, ",
        false => "otherwise, or with that raised, ",
    }
}

/// "no. 13 and each after it would be refused by pids.max of /a (88 of 100 in use)".
pub(super) fn would_refuse(refusal: &Refusal, would: &Would) -> String {
    let limit = &refusal.limit;
    let which = match (refusal.first, would.tasks) {
        (1, 1) => "it".to_owned(),
        (1, _) => "all of them".to_owned(),
        (first, tasks) if first == tasks => format!("no. {first}, the last,"),
        (first, _) => format!("no. {first} and each after it"),
    };
    let whose = named(&limit.owner, refusal.owner.as_deref(), refusal.next);
    let how = match limit.kind {
        LimitKind::CommitLimit => "promised",
        _ => "in use",
    };
    let numbers = match (limit.usage, limit.bound()) {
        (Some(used), Some(bound)) => {
            let [used, bound] = [used, bound].map(|n| amount(n, limit.unit));
            format!(" ({used} of {bound} {how})")
        }
        _ => String::new(),
    };
    let part = match (refusal.refuses, limit.unit, limit.requested) {
        (Refuses::Tasks, ..) => String::new(),
        (Refuses::Processes, ..) => ", if they are processes and no threads".to_owned(),
        (Refuses::Threads, Unit::Bytes, Some(stack)) => {
            format!(", if they are threads with stacks of {}", bytes(stack))
        }
        (Refuses::Threads, ..) => ", if they are threads".to_owned(),
    };
    let apart = match (would.apart, limit.owner.cgroup_path()) {
        (true, Some(_)) => ", if all go there",
        _ => "",
    };
    format!(
        "{which} would be refused by {} of {whose}{numbers}{part}{apart}",
        limit.kind
    )
}

/// Ten cells, as full as the limit is.
fn bar(row: &Row) -> String {
    const CELLS: usize = 10;
    let percent = row.percent.filter(|_| row.exempt.is_none()).unwrap_or(0.0);
    // What is in use at all is seen.
    let full = ((percent / 10.0).round() as usize).clamp(usize::from(percent > 0.0), CELLS);
    format!("{}{}", "█".repeat(full), "░".repeat(CELLS - full))
}

/// mm/mprotect.c `mprotect_fixup` asks for a thread's stack what a fork is asked for each mapping, and mmap for that
/// of posix_spawn (glibc's spawni.c); vfork maps nothing.
fn refuses(row: &Row) -> Option<&'static str> {
    match (row.refuses, &row.limit.kind) {
        (Refuses::Tasks, _) => None,
        (Refuses::Processes, LimitKind::CommitLimit) => Some(
            "refuses processes, and where little is left the stacks of new threads and of \
             posix_spawn; not vfork",
        ),
        (Refuses::Processes, _) => Some("refuses processes, not threads, vfork or posix_spawn"),
        (Refuses::Threads, _) => {
            Some("refuses the stacks of new threads and of posix_spawn, not fork or vfork")
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
    named(&row.limit.owner, row.owner.as_deref(), row.next)
}

fn named(owner: &Owner, name: Option<&str>, next: Option<Next>) -> String {
    let whose = match (next, owner.cgroup_path()) {
        // The unit's name, for which a table has room: the path is in the JSON.
        (Some(Next::Start), Some(path)) => path.rsplit('/').next().unwrap_or(path).to_owned(),
        _ => whose(owner, name),
    };
    match next {
        Some(Next::Start) => format!("next start of {whose}"),
        Some(Next::Login) => format!("next login of {whose}"),
        None => whose,
    }
}

fn whose(owner: &Owner, name: Option<&str>) -> String {
    match name {
        Some(name)
            if matches!(owner, Owner::User { .. })
                || is_in_container(owner) && !owner.to_string().contains(bare(name)) =>
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
pub(super) fn sentence(row: &Row) -> String {
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
