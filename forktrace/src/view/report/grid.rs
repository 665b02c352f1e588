//! Failures summed up by one thing, as a table that text, CSV and Markdown print.

use super::words::{amount, cause, plain_short};
use crate::report::{By, KinRow, Report, RollRow, Top};

/// Rows that are shown where nobody says how many.
const ROWS: usize = 10;
/// More of them are shown while each has this share of the failures.
const SHARE: u64 = 100;

/// A table and what it leaves out.
pub(super) struct Grid {
    /// A head beginning with `>` is a number's.
    pub heads: Vec<&'static str>,
    pub rows: Vec<Vec<String>>,
    pub rest: Rest,
}

/// What the rows shown leave out.
#[derive(Clone, Copy, Default)]
pub(super) struct Rest {
    pub failures: u64,
    /// Of these, failures of which it was not recorded whose they are.
    pub unrecorded: u64,
    /// Rows that are left out.
    pub rows: u64,
    /// Failures of the largest of them.
    pub largest: u64,
    /// There were more than are told apart.
    pub exact: bool,
}

/// How times are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    /// For people.
    Short,
    /// As records have them.
    Whole,
}

/// How many rows: as many as are asked for, and else ten and all that matter.
pub(super) fn shown<R>(report: &Report, top: &Top<R>, failures: fn(&R) -> u64) -> usize {
    if let Some(top) = report.asked.top {
        return top;
    }
    let least = (report.totals.failures / SHARE).max(1);
    let large = top.rows.iter().take_while(|row| failures(row) >= least);
    large.count().max(ROWS)
}

/// What so many rows leave out.
pub(super) fn rest<R>(top: &Top<R>, shown: usize, failures: fn(&R) -> u64) -> Rest {
    let more = top.rows.iter().skip(shown).map(failures);
    Rest {
        failures: more.fold(top.others, u64::saturating_add),
        unrecorded: top.unrecorded,
        rows: top.other_rows + top.rows.len().saturating_sub(shown) as u64,
        largest: top
            .rows
            .get(shown)
            .map(failures)
            .or(top.largest_other)
            .unwrap_or(0),
        exact: top.exact,
    }
}

impl Rest {
    /// One sentence each.
    pub(super) fn sentences(self) -> Vec<String> {
        let mut all = Vec::new();
        if self.unrecorded > 0 {
            all.push(format!("{} more, whose is not recorded", self.unrecorded));
        }
        let others = self.failures.saturating_sub(self.unrecorded);
        match (others, self.rows) {
            (0, _) => {}
            (_, 0) => all.push(format!("{others} of others; more than the table holds")),
            (_, 1) => all.push(format!("{others} of 1 other")),
            (_, rows) if self.exact => all.push(format!(
                "{others} of {rows} others, {} at most each",
                self.largest
            )),
            (_, rows) => all.push(format!(
                "{others} of at least {rows} others; more than the table holds"
            )),
        }
        all
    }
}

/// The table of one thing.
pub(super) fn grid(r: &Report, by: By, times: Times) -> Grid {
    let rolled = &r.rolled;
    match by {
        By::Limit => limits(r, times),
        By::Cause => things(r, &rolled.causes, "cause", "cause not known", times),
        By::Host => things(r, &rolled.hosts, "host", "host not known", times),
        By::Unit => things(r, &rolled.units, "unit", "no unit", times),
        By::Pod => things(r, &rolled.pods, "pod", "no pod", times),
        By::User => things(r, &rolled.users, "user", "not known", times),
        By::Program => things(r, &rolled.programs, "program", "not known", times),
    }
}

fn share(of: u64, all: u64) -> String {
    format!("{:.1}%", of as f64 * 100.0 / all.max(1) as f64)
}

fn time(time: Option<&String>, times: Times) -> String {
    match times {
        Times::Short => plain_short(time),
        Times::Whole => time.cloned().unwrap_or_default(),
    }
}

fn things(r: &Report, top: &Top<RollRow>, what: &'static str, nothing: &str, times: Times) -> Grid {
    let of_users = what == "program";
    let mostly = what != "cause";
    let hosts = what != "host" && (r.hosts.len() > 1 || times == Times::Whole);
    let mut heads = vec![">failures", what, ">share"];
    heads.extend(of_users.then_some("user"));
    heads.extend(hosts.then_some(">hosts"));
    heads.extend(mostly.then_some("mostly"));
    heads.extend(["first", "last"]);
    let failures = |row: &RollRow| row.failures;
    let shown = shown(r, top, failures);
    let rows = top.rows.iter().take(shown).map(|row| {
        let name = row.shown().unwrap_or(nothing).to_owned();
        let mut cells = vec![
            row.failures.to_string(),
            name,
            share(row.failures, r.totals.failures),
        ];
        cells.extend(of_users.then(|| row.user.clone().unwrap_or_default()));
        cells.extend(hosts.then(|| row.hosts.to_string()));
        cells.extend(mostly.then(|| cause(row.cause).to_owned()));
        cells.extend([
            time(row.first.as_ref(), times),
            time(row.last.as_ref(), times),
        ]);
        cells
    });
    Grid {
        heads,
        rows: rows.collect(),
        rest: rest(top, shown, failures),
    }
}

fn limits(r: &Report, times: Times) -> Grid {
    let top = &r.rolled.limits;
    let failures = |row: &KinRow| row.failures;
    let shown = shown(r, top, failures);
    let whole = times == Times::Whole;
    let hosts = r.hosts.len() > 1 || whole;
    let mut heads = vec![">failures", "limit and its owner", ">share"];
    heads.extend(whole.then_some("cause"));
    heads.extend(hosts.then_some(">hosts"));
    heads.extend([">limits", ">value", ">highest use"]);
    heads.extend(hosts.then_some("worst"));
    heads.extend(whole.then_some("first"));
    heads.push("last");
    let rows = top.rows.iter().take(shown).map(|row| {
        let mut cells = vec![
            row.failures.to_string(),
            row.title(),
            share(row.failures, r.totals.failures),
        ];
        cells.extend(whole.then(|| cause(row.cause).to_owned()));
        cells.extend(hosts.then(|| row.hosts.to_string()));
        cells.push(row.limits.map_or_else(|| "-".to_owned(), |n| n.to_string()));
        cells.push(values(row));
        cells.push(amount(row.highest_usage, row.unit));
        if hosts {
            let worst = row.worst.as_ref();
            cells.push(worst.map_or_else(String::new, |worst| {
                format!("{} ({})", worst.host, worst.failures)
            }));
        }
        cells.extend(whole.then(|| time(row.first.as_ref(), times)));
        cells.push(time(row.last.as_ref(), times));
        cells
    });
    Grid {
        heads,
        rows: rows.collect(),
        rest: rest(top, shown, failures),
    }
}

/// "60", "20 to 60".
pub(super) fn values(row: &KinRow) -> String {
    let amount = |n| amount(n, row.unit);
    match (row.lowest_value, row.highest_value) {
        (Some(low), Some(high)) if low < high => {
            format!("{} to {}", amount(Some(low)), amount(Some(high)))
        }
        (value, _) => amount(value),
    }
}
