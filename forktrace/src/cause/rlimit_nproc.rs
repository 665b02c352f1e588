//! RLIMIT_NPROC: the tasks of one real uid (5.14+: in one user namespace, and
//! of each ancestor namespace's creator).
//!
//! kernel/fork.c `copy_process`, kernel/ucount.c `is_rlimit_overlimit` (5.14+).
//! Exempt: real uid 0 of the initial user namespace, and CAP_SYS_RESOURCE or
//! CAP_SYS_ADMIN there; root of another user namespace is not.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix, numbers, roomier},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::RlimitNproc,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.stage == Stage::Nproc {
        return Finding::observed(e.nproc.get(e.nproc_refused).map(candidates::nproc));
    }
    if e.stage != Stage::Early || e.errno != Errno::EAGAIN || e.nproc_exempt {
        return None;
    }
    // Refused before the scheduler's turn: by this check, threads-max, or
    // SCHED_DEADLINE, in this order. What is full stops the creation first.
    let others = e.threads.is_some_and(|t| t.full()) || e.deadline;
    match e.full_nproc() {
        Some(level) if !e.nproc_watched => Finding::observed(candidates::nproc(level)),
        // Its probe, had it run, would have told: only if nothing else can.
        Some(level) if !others => Finding::inferred(candidates::nproc(level)),
        Some(_) => None,
        // A task ended between the refusal and the look at the numbers.
        None if !others => {
            let level = e
                .nproc
                .iter()
                .find(|l| l.limit.is_some_and(|limit| l.usage + RACE >= limit))?;
            Finding::inferred(candidates::nproc(level))
        }
        None => None,
    }
}

/// Tasks that may have ended between a refusal and the look at the numbers.
const RACE: u64 = 8;

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    Finding::inferred(candidates::nproc(e.full_nproc()?))
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}{} is at its RLIMIT_NPROC", w.opening(), w.user());
    };
    if limit.scope.starts_with("uid ") {
        format!(
            "{}{} has {} that RLIMIT_NPROC allows",
            w.opening(),
            w.user(),
            numbers(limit)
        )
    } else {
        format!(
            "{}the creator of {} has {} that its RLIMIT_NPROC allows",
            w.opening(),
            limit.scope,
            numbers(limit)
        )
    }
}

fn fixes(v: &Verdict, w: &Words<'_>) -> Vec<Fix> {
    let target = roomier(v.limit.as_ref().and_then(|l| l.value).unwrap_or(0));
    let own = v.limit.as_ref().is_none_or(|l| l.scope.starts_with("uid "));
    if !own {
        return vec![fix(
            None,
            format!(
                "raise RLIMIT_NPROC of whoever creates the user namespace to {target}, before it is created"
            ),
            "the limit was fixed when the user namespace was created (Linux 5.14+)".to_owned(),
        )];
    }
    let persistent = match (&w.cgroup.unit, &w.caller.user) {
        (Some(unit), _) if unit.ends_with(".service") => {
            format!("systemctl edit {unit}: [Service] LimitNPROC={target}")
        }
        (_, Some(user)) => format!("/etc/security/limits.d/: {user} - nproc {target}"),
        (_, None) => format!(
            "raise `ulimit -u` where uid {}'s processes are started",
            w.caller.uid
        ),
    };
    vec![fix(
        format!("prlimit --pid {} --nproc={target}", w.caller.pid),
        persistent,
        "it counts threads too, of this uid in every session and container of the host (since Linux 5.14 per user namespace)"
            .to_owned(),
    )]
}
