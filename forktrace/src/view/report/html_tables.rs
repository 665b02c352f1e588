//! The tables of a report's page. A click on a head sorts; what stands beyond the first rows is folded away.

use maud::{Markup, html};

use super::{
    explained::link,
    grid,
    html::{Foreign, Time},
    oom as words,
    words::{
        amount, below_callers, cause, grouped, moment, not_recorded, processes, program, values,
    },
};
use crate::{
    model::Cause,
    report::{OwnerRow, Report, RollRow, Top},
    view::{clean, holders as held},
};

/// Rows that are shown before the others are asked for.
const SHOWN: usize = 12;

/// A section with a table; `>` before a head that numbers stand under, and no head where it is empty.
fn table(head: &str, heads: &[&str], rows: impl Iterator<Item = Markup>, below: Markup) -> Markup {
    let rows: Vec<Markup> = rows.collect();
    html! {
        section {
            h2 { (head) }
            div .scroll {
                table {
                    thead { tr {
                        @for head in heads.iter().filter(|head| !head.is_empty()) {
                            @let name = head.trim_start_matches('>');
                            th .n[head.starts_with('>')] scope="col" {
                                button type="button" { (name) }
                            }
                        }
                    } }
                    tbody {
                        @for (n, row) in rows.iter().enumerate() { tr .more[n >= SHOWN] { (row) } }
                    }
                }
            }
            // Shown by the script, which unfolds.
            @if rows.len() > SHOWN {
                button .all type="button" hidden { "Show all " (rows.len()) }
            }
            (below)
        }
    }
}

/// A cell with a number, sorted as one.
fn number(n: Option<u64>, shown: &str) -> Markup {
    html! { td .n data-v=[n] { (shown) } }
}

fn failures(n: u64) -> Markup {
    number(Some(n), &grouped(n))
}

/// A cause that may not be known.
fn named(of: Option<Cause>) -> Markup {
    match of {
        Some(of) => link(of),
        None => html! { (cause(of)) },
    }
}

/// The head of a column that one host alone makes superfluous.
fn host_head(r: &Report) -> &'static str {
    if r.hosts.len() > 1 { "host" } else { "" }
}

fn host(r: &Report, name: &str) -> Markup {
    html! { @if r.hosts.len() > 1 { td { (Foreign(name)) } } }
}

/// Limits of a kind, on all hosts.
pub(super) fn kinds(r: &Report) -> Markup {
    let top = &r.rolled.limits;
    let rows = top.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) td .long { (Foreign(&row.title())) } td { (named(row.cause)) }
            (failures(row.hosts)) (number(row.limits, &row.limits.map_or_else(|| "–".to_owned(), grouped)))
            (number(row.highest_value, &grid::values(row)))
            (number(row.highest_usage, &amount(row.highest_usage, row.unit)))
            td {
                @if let Some(worst) = &row.worst {
                    (Foreign(&worst.host)) " (" (grouped(worst.failures)) ")"
                }
            }
            td { (Time(&row.last)) }
        }
    });
    let heads = [
        ">failures",
        "limit and its owner",
        "cause",
        ">hosts",
        ">limits",
        ">value",
        ">highest",
        "worst",
        "last",
    ];
    table(
        "Limits over all hosts",
        &heads,
        rows,
        rest(top, |row| row.failures),
    )
}

/// What a table of all hosts leaves out.
fn rest<R>(top: &Top<R>, failures: fn(&R) -> u64) -> Markup {
    let rest = grid::rest(top, top.rows.len(), failures);
    html! { @for sentence in rest.sentences() { p .dim { (sentence) } } }
}

/// One thing, on all hosts.
pub(super) fn rolled(head: &str, what: &str, top: &Top<RollRow>) -> Markup {
    let nothing = format!("no {what}");
    let rows = top.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) td .long { (Foreign(row.shown().unwrap_or(&nothing))) }
            (failures(row.hosts)) td { (named(row.cause)) } td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let heads = [">failures", what, ">hosts", "mostly", "first", "last"];
    let some = top.rows.iter().any(|row| row.name.is_some());
    html! { @if some { (table(head, &heads, rows, rest(top, |row| row.failures))) } }
}

pub(super) fn hosts(r: &Report) -> Markup {
    let rows = r.rolled.hosts.rows.iter().map(|row| {
        let sessions = r
            .hosts
            .iter()
            .find(|host| Some(&host.host) == row.name.as_ref());
        let sessions = sessions.map_or(0, |host| host.sessions);
        html! {
            (failures(row.failures)) td { (Foreign(row.name.as_deref().unwrap_or("not known"))) }
            td { (named(row.cause)) " (" (grouped(row.of_cause)) ")" } (failures(sessions))
            td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let heads = [">failures", "host", "mostly", ">sessions", "first", "last"];
    table(
        "Hosts",
        &heads,
        rows,
        rest(&r.rolled.hosts, |row| row.failures),
    )
}

fn others<R>(top: &Top<R>, not_recorded: &[String]) -> Markup {
    let others = top.others.saturating_sub(top.unrecorded);
    html! {
        @for more in not_recorded { p .dim { (more) } }
        @if others > 0 {
            p .dim {
                (grouped(others)) " failures of others"
                @if let Some(most) = top.largest_other.filter(|_| top.exact) {
                    ", " (grouped(most)) " at most each"
                }
                @if !top.exact { "; there were more than the table holds" }
            }
        }
    }
}

pub(super) fn causes(r: &Report) -> Markup {
    let t = &r.totals;
    let share = |n: u64| format!("{:.1}%", n as f64 * 100.0 / t.failures.max(1) as f64);
    let mut rows: Vec<Markup> = r
        .causes
        .iter()
        .map(|c| {
            html! {
                td { (link(c.cause)) } (failures(c.failures))
                (number(Some(c.failures), &share(c.failures)))
                td { (Time(&c.first)) } td { (Time(&c.last)) }
            }
        })
        .collect();
    let without = [
        (t.cause_not_here, "cause not in these files"),
        (t.lost, "lost in detail"),
    ];
    for (n, name) in without.into_iter().filter(|(n, _)| *n > 0) {
        rows.push(html! {
            td { (name) } (failures(n)) (number(Some(n), &share(n))) td { "–" } td { "–" }
        });
    }
    let lists = [
        ("errno", &r.errnos),
        ("operation", &r.operations),
        ("certainty", &r.certainties),
    ];
    let below = html! {
        @for (label, counts) in lists {
            p {
                span .dim { (label) ": " }
                @for (n, c) in counts.iter().enumerate() {
                    @if n > 0 { ", " }
                    (Foreign(&c.name)) " " (c.failures)
                }
            }
        }
    };
    let heads = ["cause", ">failures", ">share", "first", "last"];
    table("Causes", &heads, rows.into_iter(), below)
}

pub(super) fn limits(r: &Report) -> Markup {
    let rows = r.limits.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) (host(r, &row.host))
            td .long { (Foreign(&row.title())) } td { (link(row.cause)) }
            (number(row.value, &values(row)))
            (number(row.usage, &amount(row.usage, row.unit)))
            (number(row.highest_usage, &amount(row.highest_usage, row.unit)))
            td { (Time(&row.last)) }
        }
    });
    let heads = [
        ">failures",
        host_head(r),
        "limit and its owner",
        "cause",
        ">value",
        ">in use",
        ">highest",
        "last",
    ];
    let more = not_recorded(&r.limits, "limit");
    table("Limits by owner", &heads, rows, others(&r.limits, &more))
}

pub(super) fn holders(r: &Report) -> Markup {
    let held = r.limits.rows.iter().filter(|row| !row.holders.is_empty());
    html! {
        @for row in held.take(5) {
            @let rows = row.holders.iter().map(|h| html! {
                (failures(h.tasks)) td .long { (Foreign(&held::title(h))) } (failures(h.zombies))
                td .long { (Foreign(held::remark(h).as_deref().unwrap_or("–"))) }
            });
            @let head = format!("Who filled {}", clean(&row.title()));
            (table(&head, &[">live", "holder", ">zombies", "detail"], rows, html! {}))
        }
    }
}

pub(super) fn callers(r: &Report) -> Markup {
    let rows = r.callers.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) (host(r, &row.host)) td .long { (Foreign(&program(row))) }
            td { (Foreign(row.user.as_deref().unwrap_or("–"))) }
            (number(Some(row.uid.into()), &row.uid.to_string()))
            (number(Some(row.processes), &processes(row)))
            (failures(row.most_in_a_second))
            td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let heads = [
        ">attempts",
        host_head(r),
        "program",
        "user",
        ">uid",
        ">processes",
        ">most in 1 s",
        "first",
        "last",
    ];
    table(
        "Callers",
        &heads,
        rows,
        others(&r.callers, &below_callers(r)),
    )
}

pub(super) fn cgroups(r: &Report) -> Markup {
    let rows = r.cgroups.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) (host(r, &row.host))
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) } td { (Time(&row.last)) }
        }
    });
    let heads = [">failures", host_head(r), "path", "last"];
    html! {
        (owners(r, "Units", &r.units)) (owners(r, "Containers", &r.containers)) (owners(r, "Pods", &r.pods))
        (table("Cgroups", &heads, rows, others(&r.cgroups, &not_recorded(&r.cgroups, "cgroup"))))
    }
}

fn owners(r: &Report, head: &str, owners: &[OwnerRow]) -> Markup {
    let rows = owners.iter().map(|row| {
        html! { (failures(row.failures)) (host(r, &row.host)) td .long { (Foreign(row.shown())) } }
    });
    html! {
        @if !owners.is_empty() {
            (table(head, &[">failures", host_head(r), "name"], rows, html! {}))
        }
    }
}

pub(super) fn bursts(r: &Report) -> Markup {
    let rows = r.bursts.iter().map(|row| {
        html! {
            (failures(row.failures)) (host(r, &row.host))
            td { (named(row.cause)) " (" (grouped(row.of_cause)) ")" }
            td { (Foreign(&moment(&row.first))) } td { (Foreign(&moment(&row.last))) }
        }
    });
    let heads = [">failures", host_head(r), "mostly", "first", "last"];
    let below = html! {
        p .dim {
            "A burst has no gap over " (r.burst_gap_seconds) " s."
            @if r.more_bursts > 0 { " " (r.more_bursts) " smaller ones." }
        }
    };
    table("Largest bursts", &heads, rows, below)
}

pub(super) fn oom_kills(r: &Report) -> Markup {
    let oom = &r.oom;
    let victims = oom.victims.rows.iter().map(|row| {
        html! {
            (failures(row.kills)) (host(r, &row.host))
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) }
            td .long { (Foreign(&row.comm)) } td .long { (Foreign(&row.reason)) }
            td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let near = oom.near.iter().map(|row| {
        html! {
            td { (Foreign(&moment(&row.time))) } (host(r, &row.host))
            td .long { (Foreign(&words::who(row))) }
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) }
            td .long { (Foreign(&row.reason)) } td { (words::apart(row)) }
        }
    });
    let heads = [
        ">kills",
        host_head(r),
        "cgroup",
        "victim",
        "for",
        "first",
        "last",
    ];
    let near_heads = ["time", host_head(r), "victim", "cgroup", "for", "failures"];
    let others = html! {
        @if oom.victims.others > 0 { p .dim { (oom.victims.others) " kills of others" } }
    };
    let left_out = html! { @for line in words::left_out(oom) { p .dim { (line) } } };
    html! {
        @if oom.kills > 0 {
            (table(&words::heading(oom), &heads, victims, others))
            @if !oom.near.is_empty() {
                (table(&words::near_heading(oom), &near_heads, near, left_out))
            }
        }
    }
}

pub(super) fn sessions(r: &Report) -> Markup {
    let rows = r.sessions.iter().take(1000).map(|s| {
        html! {
            (failures(s.failures)) (host(r, &s.host)) td { (Foreign(&s.kernel)) }
            td { (Foreign(&s.attach)) } td { (Time(&s.started)) }
            td { @if s.ended.is_none() { "no summary" } @else { (Time(&s.ended)) } }
            (failures(s.missing))
        }
    });
    let heads = [
        ">failures",
        host_head(r),
        "kernel",
        "style",
        "started",
        "ended",
        ">missing",
    ];
    let more = r.more_sessions + (r.sessions.len() as u64).saturating_sub(1000);
    let below = html! { @if more > 0 { p .dim { (more) " sessions more" } } };
    table("Sessions", &heads, rows, below)
}
