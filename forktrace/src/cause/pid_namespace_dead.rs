//! The pid namespace in which the child would live has lost its init
//! (`unshare --pid` without `--fork`; setns into a dying container): ENOMEM,
//! for ever.
//!
//! kernel/pid.c `alloc_pid` (`PIDNS_ADDING`), and again under tasklist_lock in
//! kernel/fork.c. Fork-like calls only: CLONE_THREAD answers EINVAL earlier.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix},
    },
    evidence::{Evidence, PidNs, Stage},
    record::{Errno, Fix, Limit, Unit},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::PidNamespaceDead,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || !matches!(e.stage, Stage::IoToPid | Stage::AfterCgroups) {
        return None;
    }
    Finding::observed(limit(e.dead_pid_ns()?))
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM {
        return None;
    }
    Finding::inferred(limit(e.dead_pid_ns()?))
}

fn limit(ns: &PidNs) -> Limit {
    Limit {
        name: "pid namespace".to_owned(),
        scope: candidates::pid_ns_scope(ns),
        value: None,
        usage: None,
        requested: None,
        unit: Unit::Ids,
        usable: None,
        file: None,
    }
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let scope = v.limit.as_ref().map_or("its pid namespace", |l| &l.scope);
    format!(
        "{}{scope}, where its children would live, has no init process any more",
        w.opening()
    )
}

fn fixes(_: &Verdict, w: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        None,
        "use `unshare --pid --fork`; enter the container again, or start a new one".to_owned(),
        format!(
            "it has nothing to do with memory, and no setting helps; compare /proc/{pid}/ns/pid with /proc/{pid}/ns/pid_for_children",
            pid = w.caller.pid
        ),
    )]
}
