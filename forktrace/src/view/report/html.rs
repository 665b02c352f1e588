//! A report as one page that needs nothing else: no network, no files. maud
//! escapes all text; foreign text is also made visible where it would reorder
//! or hide what stands beside it ([`clean`]).

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::{
    oom as words, plot,
    words::{
        amount, below_callers, cause, count, moment, not_recorded, notes, processes, program,
        values, with_offset,
    },
};
use crate::{
    report::{OomReport, OwnerRow, Report, Top},
    view::{
        clean, holders,
        output::{Format, How},
    },
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is loaded from anywhere, and nothing sent.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; base-uri 'none'; form-action 'none'";

/// Text that another process or file has made.
struct Foreign<'a>(&'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, buffer: &mut String) {
        clean(self.0).as_ref().render_to(buffer);
    }
}

/// A time that may be missing.
struct Time<'a>(&'a Option<String>);

impl Render for Time<'_> {
    fn render_to(&self, buffer: &mut String) {
        match self.0 {
            Some(time) => Foreign(&moment(time)).render_to(buffer),
            None => "–".render_to(buffer),
        }
    }
}

/// The same with its offset, which holds for the times near it.
struct Whole<'a>(&'a Option<String>);

impl Render for Whole<'_> {
    fn render_to(&self, buffer: &mut String) {
        if let Some(time) = self.0 {
            with_offset(time).render_to(buffer);
        }
    }
}

/// What `--html` writes.
pub(crate) const FORMAT: Format<Report> = Format {
    name: "html",
    about: "One page with plots",
    for_people: true,
    how: How::Document(|report, _| page(report)),
};

/// The whole page.
pub fn page(r: &Report) -> String {
    let t = &r.totals;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { "forktrace: " (count(t.failures, "failed creation")) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (count(t.failures, "failed creation")) }
                    p .dim {
                        (count(r.files, "file")) ", " (count(r.hosts.len() as u64, "host")) ", "
                        (count(r.sessions.len() as u64 + r.more_sessions, "session"))
                        @if t.first.is_some() {
                            ", " (Whole(&t.first)) " to " (Whole(&t.last))
                        }
                        @if r.filtered { ", filtered" }
                    }
                }
                main {
                    (to_know(r))
                    @if t.failures > 0 {
                        (advice(r))
                        section { h2 { "Over time" } (plot::over_time(&r.timeline)) }
                        (causes(r))
                        section {
                            h2 { "Limits with the most failures" }
                            (plot::owners(r, |at| {
                                let row = &r.limits.rows[at];
                                html! {
                                    (Foreign(&row.title()))
                                    span .dim { " " (Foreign(&row.host)) }
                                }
                            }))
                        }
                        (limits(r)) (holders(r)) (callers(r)) (cgroups(r)) (bursts(r))
                    }
                    (oom_kills(&r.oom)) (sessions(r))
                }
                footer .dim { "forktrace " (r.version) "." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn to_know(r: &Report) -> Markup {
    let notes = notes(r);
    html! {
        @if !notes.is_empty() {
            section .notes { ul { @for note in &notes { li { (Foreign(note)) } } } }
        }
    }
}

fn advice(r: &Report) -> Markup {
    html! {
        section {
            h2 { "What to do first" }
            ol .advice {
                @for a in &r.advice {
                    li {
                        p { b { (count(a.failures, "failure")) } ": " (Foreign(&a.summary)) }
                        @for fix in a.fix.iter().chain(&a.more_fixes) {
                            @if let Some(now) = &fix.now { pre { (Foreign(now)) } }
                            @if let Some(lasting) = &fix.persistent {
                                p { span .dim { "lasting: " } (Foreign(lasting)) }
                            }
                            @if let Some(note) = &fix.note { p { (Foreign(note)) } }
                        }
                        @if a.fix.is_none() {
                            p .dim { "see " code { "forktrace explain " (a.cause.id()) } }
                        }
                    }
                }
            }
        }
    }
}

/// A section with a table that sorts by a click on a head; `>` before a head
/// that numbers stand under.
fn table(head: &str, heads: &[&str], rows: impl Iterator<Item = Markup>, below: Markup) -> Markup {
    html! {
        section {
            h2 { (head) }
            div .scroll {
                table {
                    thead { tr {
                        @for head in heads {
                            @let name = head.trim_start_matches('>');
                            th .n[head.starts_with('>')] scope="col" {
                                button type="button" { (name) }
                            }
                        }
                    } }
                    tbody { @for row in rows { tr { (row) } } }
                }
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
    number(Some(n), &n.to_string())
}

fn others<R>(top: &Top<R>, not_recorded: &[String]) -> Markup {
    let others = top.others.saturating_sub(top.unrecorded);
    html! {
        @for more in not_recorded { p .dim { (more) } }
        @if others > 0 {
            p .dim {
                (others) " failures of others"
                @if !top.exact { "; there were more than the table holds" }
            }
        }
    }
}

fn causes(r: &Report) -> Markup {
    let t = &r.totals;
    let share = |n: u64| format!("{:.1}%", n as f64 * 100.0 / t.failures.max(1) as f64);
    let mut rows: Vec<Markup> = r
        .causes
        .iter()
        .map(|c| {
            html! {
                td { (c.cause.id()) } (failures(c.failures))
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

fn limits(r: &Report) -> Markup {
    let rows = r.limits.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) td { (Foreign(&row.host)) }
            td .long { (Foreign(&row.title())) } td { (row.cause.id()) }
            (number(row.value, &values(row)))
            (number(row.usage, &amount(row.usage, row.unit)))
            (number(row.highest_usage, &amount(row.highest_usage, row.unit)))
            td { (Time(&row.last)) }
        }
    });
    let heads = [
        ">failures",
        "host",
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

fn holders(r: &Report) -> Markup {
    let held = r.limits.rows.iter().filter(|row| !row.holders.is_empty());
    html! {
        @for row in held.take(5) {
            @let rows = row.holders.iter().map(|h| html! {
                (failures(h.tasks)) td .long { (Foreign(&holders::title(h))) } (failures(h.zombies))
                td .long { (Foreign(holders::remark(h).as_deref().unwrap_or("–"))) }
            });
            @let head = format!("Who filled {}", clean(&row.title()));
            (table(&head, &[">live", "holder", ">zombies", "detail"], rows, html! {}))
        }
    }
}

fn callers(r: &Report) -> Markup {
    let rows = r.callers.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) td { (Foreign(&row.host)) } td .long { (Foreign(&program(row))) }
            td { (Foreign(row.user.as_deref().unwrap_or("–"))) }
            (number(Some(row.uid.into()), &row.uid.to_string()))
            (number(Some(row.processes), &processes(row)))
            (failures(row.most_in_a_second))
            td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let heads = [
        ">attempts",
        "host",
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

fn cgroups(r: &Report) -> Markup {
    let rows = r.cgroups.rows.iter().map(|row| {
        html! {
            (failures(row.failures)) td { (Foreign(&row.host)) }
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) } td { (Time(&row.last)) }
        }
    });
    let heads = [">failures", "host", "path", "last"];
    html! {
        (owners("Units", &r.units)) (owners("Containers", &r.containers)) (owners("Pods", &r.pods))
        (table("Cgroups", &heads, rows, others(&r.cgroups, &not_recorded(&r.cgroups, "cgroup"))))
    }
}

fn owners(head: &str, owners: &[OwnerRow]) -> Markup {
    let rows = owners.iter().map(|row| {
        html! { (failures(row.failures)) td { (Foreign(&row.host)) } td .long { (Foreign(&row.name)) } }
    });
    html! {
        @if !owners.is_empty() {
            (table(head, &[">failures", "host", "name"], rows, html! {}))
        }
    }
}

fn bursts(r: &Report) -> Markup {
    let rows = r.bursts.iter().map(|row| {
        html! {
            (failures(row.failures)) td { (Foreign(&row.host)) }
            td { (cause(row.cause)) " (" (row.of_cause) ")" }
            td { (Foreign(&moment(&row.first))) } td { (Foreign(&moment(&row.last))) }
        }
    });
    let heads = [">failures", "host", "mostly", "first", "last"];
    let below = html! {
        p .dim {
            "A burst has no gap over " (r.burst_gap_seconds) " s."
            @if r.more_bursts > 0 { " " (r.more_bursts) " smaller ones." }
        }
    };
    table("Largest bursts", &heads, rows, below)
}

fn oom_kills(oom: &OomReport) -> Markup {
    let victims = oom.victims.rows.iter().map(|row| {
        html! {
            (failures(row.kills)) td { (Foreign(&row.host)) }
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) }
            td .long { (Foreign(&row.comm)) } td .long { (Foreign(&row.reason)) }
            td { (Time(&row.first)) } td { (Time(&row.last)) }
        }
    });
    let near = oom.near.iter().map(|row| {
        html! {
            td { (Foreign(&moment(&row.time))) } td { (Foreign(&row.host)) }
            td .long { (Foreign(&words::who(row))) }
            td .long { (Foreign(row.path.as_deref().unwrap_or("–"))) }
            td .long { (Foreign(&row.reason)) } td { (words::apart(row)) }
        }
    });
    let heads = [">kills", "host", "cgroup", "victim", "for", "first", "last"];
    let near_heads = ["time", "host", "victim", "cgroup", "for", "failures"];
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

fn sessions(r: &Report) -> Markup {
    let rows = r.sessions.iter().take(1000).map(|s| {
        html! {
            (failures(s.failures)) td { (Foreign(&s.host)) } td { (Foreign(&s.kernel)) }
            td { (Foreign(&s.attach)) } td { (Time(&s.started)) }
            td { @if s.ended.is_none() { "no summary" } @else { (Time(&s.ended)) } }
            (failures(s.missing))
        }
    });
    let heads = [
        ">failures",
        "host",
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
