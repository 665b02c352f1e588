//! kernel.threads-max: tasks on the host, kernel threads included. Nobody is
//! exempt, not even root.
//!
//! kernel/fork.c `copy_process`: `nr_threads >= max_threads`.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix, numbers, roomier},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::ThreadsMax,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN || e.stage != Stage::Early {
        return None;
    }
    let threads = e.threads.filter(|t| t.full())?;
    Finding::observed(candidates::threads(&threads))
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    let threads = e.threads.filter(|t| t.full())?;
    Finding::inferred(candidates::threads(&threads))
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let numbers = v.limit.as_ref().map(numbers).unwrap_or_default();
    format!(
        "{}the host has {numbers} that kernel.threads-max allows",
        w.opening()
    )
}

fn fixes(v: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    let target = roomier(v.limit.as_ref().and_then(|l| l.value).unwrap_or(0));
    vec![fix(
        format!("sysctl -w kernel.threads-max={target}"),
        format!("/etc/sysctl.d/: kernel.threads-max = {target}"),
        "it binds root as well; kernel.pid_max has to be at least as high to be of use".to_owned(),
    )]
}
