//! Single failures of a report, whole, as `replay --each -v` prints them.

use maud::{Markup, html};

use super::{html::Foreign, words::moment};
use crate::{
    report::{Report, Sample},
    view::{records::text::in_full, times::with_offset},
};

/// Columns of an answer.
const WIDTH: usize = 100;

pub(super) fn samples(r: &Report) -> Markup {
    html! {
        @if !r.samples.is_empty() {
            section {
                h2 { "Single failures" }
                p .dim {
                    (r.samples.len()) " of " (super::words::grouped(r.totals.failures))
                    ": of each kind of limit the first, the one with the most in use, and the latest."
                }
                @for sample in &r.samples { (one(sample)) }
            }
        }
    }
}

fn one(sample: &Sample) -> Markup {
    let f = &sample.failure;
    let title = match &f.limit {
        Some(limit) => limit.title(),
        None => f.cause.id().to_owned(),
    };
    html! {
        details .sample {
            summary {
                (moment(&f.time)) " " b { (f.errno.name()) } " "
                (Foreign(f.caller.program())) "[" (f.caller.pid) "] "
                (Foreign(&title)) " " span .dim { (Foreign(&sample.host)) }
            }
            p .dim { (with_offset(&f.time)) " on " (Foreign(&sample.host)) }
            // Made harmless there.
            pre { (in_full(f, WIDTH).trim()) }
        }
    }
}
