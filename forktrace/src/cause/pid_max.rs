//! No process id is free in one of the pid namespaces that the child needs one
//! in: EAGAIN (since 4.1; never ENOMEM, as folklore has it).
//!
//! kernel/pid.c `alloc_pid`. One global kernel.pid_max up to 6.13, one for
//! each pid namespace since 6.14. The first 300 ids are not used again once
//! the numbers have wrapped round. Threads, zombies and the ids of dead
//! session and group leaders hold ids as well. Nobody is exempt.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix, roomier},
    },
    evidence::{Evidence, PidNs, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::PidMax,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN || e.stage != Stage::IoToPid {
        return None;
    }
    // Between copy_io and alloc_pid only "no id is free" answers EAGAIN. Ids
    // may have come back by now: then the fullest level is the likely one.
    if let Some(ns) = e.full_pid_ns() {
        return Finding::observed(candidates::pid_max(ns));
    }
    let fullest = e.pid_ns.iter().max_by(|a, b| fill(a).total_cmp(&fill(b)));
    match fullest {
        Some(ns) if e.pid_ns.len() == 1 => Finding::observed(candidates::pid_max(ns)),
        Some(ns) => Finding::inferred(candidates::pid_max(ns)),
        None => Finding::inferred(None),
    }
}

fn fill(ns: &PidNs) -> f64 {
    ns.usable()
        .map_or(0.0, |usable| ns.allocated as f64 / usable.max(1) as f64)
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    Finding::inferred(candidates::pid_max(e.full_pid_ns()?))
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}no process id is free", w.opening());
    };
    let whose = if limit.scope == "host" {
        "the host".to_owned()
    } else {
        limit.scope.clone()
    };
    match (limit.usage, limit.usable, limit.value) {
        (Some(usage), Some(usable), Some(value)) => format!(
            "{}{whose} has no process id left: {usage} in use of {usable} usable (kernel.pid_max {value}, the first 300 are reserved)",
            w.opening()
        ),
        _ => format!("{}{whose} has no process id left", w.opening()),
    }
}

fn fixes(v: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    let host = v.limit.as_ref().is_none_or(|l| l.scope == "host");
    let value = v.limit.as_ref().and_then(|l| l.value).unwrap_or(0);
    // 4194304 is the kernel's own ceiling on 64 bits (PID_MAX_LIMIT).
    let target = roomier(value).clamp(32768, 4_194_304);
    let note =
        "threads and zombies hold ids as well; look for what fills it before raising it".to_owned();
    if host {
        vec![fix(
            format!("sysctl -w kernel.pid_max={target}"),
            format!("/etc/sysctl.d/: kernel.pid_max = {target}"),
            note,
        )]
    } else {
        vec![fix(
            format!("sysctl -w kernel.pid_max={target}, run inside that pid namespace"),
            None,
            note,
        )]
    }
}
