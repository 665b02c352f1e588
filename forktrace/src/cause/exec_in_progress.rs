//! Another thread of the process is in execve, and CLONE_FS was asked for.
//!
//! kernel/fork.c `copy_fs`: `fs->in_exec`. Passes when the execve ends.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict,
        words::{Words, fix},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::ExecInProgress,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.stage == Stage::SecurityToFs && e.in_exec {
        return Finding::observed(None);
    }
    None
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.in_exec {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, w: &Words<'_>) -> String {
    format!(
        "{}a task that shares its file-system state (another thread) is in execve",
        w.opening()
    )
}

fn fixes(_: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        None,
        "don't call execve from one thread while others create threads; or try again".to_owned(),
        "it passes by itself when the execve ends".to_owned(),
    )]
}
