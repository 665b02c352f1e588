//! What is said of a verdict: the only place that makes its sentence and its fixes.

use super::{Context, Subject, Verdict, holder_warnings, knob, recovery, unit_limit, words::fix};
use crate::model::Fix;

/// A verdict in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One sentence.
    pub summary: String,
    /// Ways out, and what to know before taking one.
    pub fix: Vec<Fix>,
}

/// The sentence and the ways out: the cause's own; then what the holders of the limit say against
/// raising it, and where the limit comes from.
pub fn answer(verdict: &Verdict, subject: &Subject<'_>, context: &Context) -> Answer {
    let entry = verdict.cause.entry();
    let mut fixes = (entry.fix)(verdict, subject, context);
    fixes.extend(context.growth.as_ref().and_then(holder_warnings::growing));
    fixes.extend(holder_warnings::warnings(&context.holders));
    let part = verdict
        .limit
        .as_ref()
        .and_then(|limit| knob::cgroup::part_of_container(limit, &verdict.candidates));
    fixes.extend(part.map(|part| fix(None, None, part)));
    if let (Some(unit_limit), Some(limit)) = (&context.unit_limit, &verdict.limit)
        && let Some(value) = limit.value
    {
        let note = unit_limit::note(unit_limit, value, limit.unit);
        fixes.push(fix(None, None, note));
    }
    // Of a limit there can be room again; other refusals are mended in the program itself.
    if verdict.limit.is_some() {
        fixes.extend(recovery::after(subject));
    }
    Answer {
        summary: (entry.summary)(verdict, subject),
        fix: fixes,
    }
}
