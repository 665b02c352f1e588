//! Single failures of a report, whole, as `replay --each -v` prints them.

use maud::{Markup, html};

use super::{html::Foreign, words::moment};
use crate::{
    record::Record,
    report::{Report, Sample},
    view::{Look, Verbosity, records::text::FORMAT, times::with_offset},
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
            pre { (answer(sample)) }
        }
    }
}

/// What is printed has been made harmless there.
fn answer(sample: &Sample) -> String {
    let look = Look {
        width: WIDTH,
        verbosity: Verbosity::Verbose,
        each: true,
        recorded: true,
        ..Look::PLAIN
    };
    let record = Record::Failure(Box::new(sample.failure.clone()));
    let bytes = FORMAT.render(&record, look).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
