//! A security module refused in `security_task_alloc` (SELinux answers EACCES
//! there; a BPF program may answer anything).
//!
//! kernel/fork.c `copy_process`, security/security.c. Of the steps between
//! `audit_alloc` and `copy_fs` only the module and `fs->in_exec` can answer
//! EAGAIN; ENOMEM can have other reasons and stays unknown.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict,
        words::{Words, fix},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::Lsm,
    seen,
    exhausted: |_| None,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.stage == Stage::SecurityToFs && !e.in_exec {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, w: &Words<'_>) -> String {
    format!("{}a security module (LSM) refused it", w.opening())
}

fn fixes(_: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        None,
        None,
        "see /sys/kernel/security/lsm for the modules, and `bpftool prog` for BPF programs of type lsm"
            .to_owned(),
    )]
}
