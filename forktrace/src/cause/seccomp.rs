//! A seccomp filter answered in the system call's place.
//!
//! The tracepoint style sees a return without an entry: entry order is ptrace,
//! seccomp, enter tracepoint (kernel/entry/common.c
//! `syscall_trace_enter`). The creation code never ran, so the function
//! styles see nothing.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict,
        words::{Words, fix},
    },
    evidence::{Evidence, Stage},
    record::Fix,
};

pub const ENTRY: Entry = Entry {
    cause: Cause::Seccomp,
    seen,
    exhausted: |_| None,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    // A tracer can skip a call too, hence inferred.
    if e.stage == Stage::NotEntered {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, w: &Words<'_>) -> String {
    format!(
        "{}a seccomp filter answered {} before the kernel tried",
        w.opening(),
        w.errno.name()
    )
}

fn fixes(_: &Verdict, w: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        None,
        "allow clone, clone3, fork and vfork in the filter (systemd SystemCallFilter=, the container's seccomp profile)".to_owned(),
        format!("grep Seccomp /proc/{}/status shows 2 for a filter", w.caller.pid),
    )]
}
