//! A SCHED_DEADLINE task may not fork, unless SCHED_FLAG_RESET_ON_FORK is set.
//!
//! kernel/sched/core.c `sched_fork`. Also root, also threads.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict,
        words::{Words, fix},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::SchedDeadline,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    // threads-max is checked before and comes first in the catalogue.
    if e.errno == Errno::EAGAIN && e.stage == Stage::Early && e.deadline {
        return Finding::observed(None);
    }
    None
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.deadline {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, w: &Words<'_>) -> String {
    format!(
        "{}it runs under SCHED_DEADLINE, which may not fork",
        w.opening()
    )
}

fn fixes(_: &Verdict, w: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        format!("chrt --pid --other 0 {}", w.caller.tid),
        "set SCHED_FLAG_RESET_ON_FORK in sched_setattr(2), or fork before taking SCHED_DEADLINE"
            .to_owned(),
        None,
    )]
}
