//! The pages of the causes that a report has, so that it explains itself where it is read.

use maud::{Markup, html};

use crate::{
    cause::{Page, Step, pages},
    model::Cause,
    report::Report,
};

/// Where a cause's page is within the report's.
pub(super) fn anchor(cause: Cause) -> String {
    format!("explain-{}", cause.id())
}

/// A cause's name, which leads to its page where there is one.
pub(super) fn link(cause: Cause) -> Markup {
    let has_page = pages().any(|page| page.cause == cause);
    html! {
        @if has_page { a href=(format!("#{}", anchor(cause))) { (cause.id()) } }
        @else { (cause.id()) }
    }
}

pub(super) fn explained(r: &Report) -> Markup {
    let causes = r.causes.iter().map(|row| row.cause);
    let all: Vec<&Page> = causes
        .filter_map(|cause| pages().find(|page| page.cause == cause))
        .collect();
    html! {
        @if !all.is_empty() {
            section {
                h2 { "Causes explained" }
                @for page in all { (section(page)) }
            }
        }
    }
}

fn section(page: &Page) -> Markup {
    html! {
        details id=(anchor(page.cause)) {
            summary { b { (page.cause.id()) } ": " (text(page.summary)) }
            p .dim { (page.errno.join(", ")) "; " (text(page.scope)) }
            @for about in page.about { p { (text(about)) } }
            h3 { "Confirm by hand" } (steps(page.confirm))
            h3 { "Fix it now" } (steps(page.fix_now))
            h3 { "Fix it for good" }
            @for remedy in page.fix_for_good {
                p { b { (remedy.place) } ": " (text(remedy.text)) }
                (lines(remedy.commands)) (lines(remedy.lines))
            }
            @if !page.folklore.is_empty() {
                h3 { "Often said, and wrong" }
                ul { @for myth in page.folklore { li { "“" (text(myth.claim)) "” " (text(myth.fact)) } } }
            }
        }
    }
}

fn steps(steps: &[Step]) -> Markup {
    html! { @for step in steps { p { (text(step.text)) } (lines(step.commands)) } }
}

fn lines(lines: &[&str]) -> Markup {
    html! { @if !lines.is_empty() { pre { (lines.join("\n")) } } }
}

/// What stands between backticks is code.
fn text(text: &str) -> Markup {
    html! {
        @for (n, part) in text.split('`').enumerate() {
            @if n % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
