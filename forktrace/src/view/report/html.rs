//! A report as one page that needs nothing else: no network, no files. maud
//! escapes all text; foreign text is also made visible where it would reorder
//! or hide what stands beside it ([`clean`]).

use maud::{DOCTYPE, Markup, PreEscaped, Render, html};

use super::{
    explained::{explained, link},
    fullness::fullness,
    html_tables::{
        bursts, callers, causes, cgroups, holders, hosts, kinds, limits, oom_kills, rolled,
        sessions,
    },
    plot,
    samples::samples,
    words::{count, grouped, moment, notes, with_offset},
};
use crate::{
    report::Report,
    view::{
        clean,
        output::{Format, How},
    },
};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// Nothing is loaded from anywhere, and nothing sent; no style and no script but the page's own, by their
/// hashes (build.rs), and no attribute that is one.
const POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-",
    env!("PAGE_CSS_HASH"),
    "'; script-src 'sha256-",
    env!("PAGE_JS_HASH"),
    "'; base-uri 'none'; form-action 'none'"
);

/// Text that another process or file has made.
pub(super) struct Foreign<'a>(pub &'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, buffer: &mut String) {
        clean(self.0).as_ref().render_to(buffer);
    }
}

/// A time that may be missing.
pub(super) struct Time<'a>(pub &'a Option<String>);

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
                title { "forktrace: " (Foreign(&title(r))) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (Foreign(&title(r))) }
                    p .dim {
                        (count(r.files, "file")) ", "
                        (count(r.sessions.len() as u64 + r.more_sessions, "session"))
                        @if t.first.is_some() {
                            ", " (Whole(&t.first)) " to " (Whole(&t.last))
                        }
                        @if r.filtered { ", filtered" }
                    }
                    // Shown by the script, which it takes.
                    p #tools hidden {
                        label for="filter" { "Filter " }
                        input #filter type="search" autocomplete="off" spellcheck="false"
                            placeholder="host, limit, program, unit (press /)";
                        " " span #found .dim role="status" {}
                    }
                }
                main {
                    (to_know(r))
                    @if t.failures > 0 { (failures(r)) }
                    (oom_kills(r))
                    @if t.failures > 0 { (samples(r)) (explained(r)) }
                    (sessions(r))
                }
                footer .dim { "forktrace " (r.version) ". The page holds sums, and of single failures a few." }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// "739 failed creations on web1".
fn title(r: &Report) -> String {
    let failures = r.totals.failures;
    let s = if failures == 1 { "" } else { "s" };
    let on = match &r.hosts[..] {
        [] => String::new(),
        [one] if one.host.is_empty() => String::new(),
        [one] => format!(" on {}", one.host),
        several => format!(" on {} hosts", several.len()),
    };
    format!("{} failed creation{s}{on}", grouped(failures))
}

/// All that there is where something was refused.
fn failures(r: &Report) -> Markup {
    let several = r.hosts.len() > 1;
    html! {
        (advice(r))
        section { h2 { "Over time" } (plot::over_time(&r.timeline)) }
        @if several {
            section {
                h2 { "Hosts over time" }
                (plot::heat(&r.rolled.heat, |host| html! { (Foreign(host)) }))
            }
            (hosts(r))
        }
        (causes(r))
        section {
            h2 { "Limits with the most failures" }
            (plot::owners(r, |at| {
                let row = &r.rolled.limits.rows[at];
                html! {
                    (Foreign(&row.title()))
                    @if several { span .dim { " " (count(row.hosts, "host")) } }
                }
            }))
        }
        (fullness(r))
        @if several {
            (kinds(r))
            (rolled("Units", "unit", &r.rolled.units))
            (rolled("Pods", "pod", &r.rolled.pods))
            (rolled("Users", "user", &r.rolled.users))
        }
        (limits(r)) (holders(r)) (callers(r)) (cgroups(r)) (bursts(r))
    }
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
                        p {
                            b { (grouped(a.failures)) " failure" @if a.failures != 1 { "s" } } ": "
                            (Foreign(&a.summary)) " (" (link(a.cause)) ")"
                        }
                        @for fix in a.fix.iter().chain(&a.more_fixes) {
                            @if let Some(now) = &fix.now { pre { (Foreign(now)) } }
                            @if let Some(lasting) = &fix.persistent {
                                p { span .dim { "lasting: " } (Foreign(lasting)) }
                            }
                            @if let Some(note) = &fix.note { p { (Foreign(note)) } }
                        }
                    }
                }
            }
        }
    }
}
