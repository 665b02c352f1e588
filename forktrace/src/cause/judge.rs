//! Judging: from evidence to the verdict.
//!
//! `forktrace-ebpf/src/facts.rs` gathers at each failing return, recorded or not, what the verdict
//! is made of (`forktrace-common/src/facts.rs`): what was seen, which limits are full and whose
//! they are. The key that failures are counted by is made of the same, so what is counted
//! together has one cause and one owner; where user space finds two all the same, the repeats
//! are a `loss` of the reason `undecided`, never one of the two. A pid namespace is full when
//! its tree of ids has nothing free between 300 and pid_max (`ids.rs`), not when many ids are
//! in use. `cause/judge.rs` `without_contradiction` is the one place that every verdict passes:
//! one whose own numbers say that there was room is not named (`inferred`), or named without them
//! (`observed`).

use crate::{
    cause::{Cause, Entry, Finding, Verdict, candidates, catalogue, overcommit},
    evidence::{Evidence, Stage},
    model::{Certainty, Limit, Unit},
};

/// Names the cause.
///
/// Where the stages were seen, each cause knows whether it is the one. Else
/// the snapshot decides, in the order of the kernel's checks: the first
/// exhausted limit wins, because an earlier check that had no room would not
/// have let the creation pass. A wrong answer is worse than `unknown`.
pub fn judge(evidence: &Evidence) -> Verdict {
    let (cause, finding) = match evidence.stage {
        Stage::Unseen => by_snapshot(evidence),
        _ => by_stage(evidence),
    };
    let (cause, finding) = without_contradiction(cause, finding);
    let mut candidates = candidates::all(evidence);
    if let Some(limit) = &finding.limit {
        candidates.retain(|candidate| !candidate.is_same(limit));
    }
    Verdict {
        cause,
        certainty: finding.certainty,
        limit: finding.limit,
        candidates,
    }
}

/// No verdict whose own numbers say that there was room. What was inferred from
/// numbers falls with them; what was seen stands, and only its numbers, which have
/// changed between the comparison and the look at them, are left out.
fn without_contradiction(cause: Cause, mut finding: Finding) -> (Cause, Finding) {
    let Some(limit) = &mut finding.limit else {
        return (cause, finding);
    };
    if !had_room(limit) {
        return (cause, finding);
    }
    if finding.certainty != Certainty::Observed {
        return UNKNOWN;
    }
    limit.value = None;
    limit.usage = None;
    limit.usable = None;
    (cause, finding)
}

/// Whether one more task or id would have fitted, by the numbers.
fn had_room(limit: &Limit) -> bool {
    matches!(limit.unit, Unit::Tasks | Unit::Ids)
        && match (limit.usage, limit.bound()) {
            (Some(usage), Some(bound)) => usage < bound,
            // "max" refuses nobody.
            (Some(_), None) => true,
            _ => false,
        }
}

const UNKNOWN: (Cause, Finding) = (
    Cause::Unknown,
    Finding {
        certainty: Certainty::Unknown,
        limit: None,
    },
);

/// Those that can be the cause.
fn entries(evidence: &Evidence) -> impl Iterator<Item = &'static Entry> {
    catalogue::entries(evidence.thread_stack.is_some())
}

fn by_stage(evidence: &Evidence) -> (Cause, Finding) {
    entries(evidence)
        .find_map(|entry| (entry.seen)(evidence).map(|f| (entry.cause(), f)))
        .unwrap_or(UNKNOWN)
}

fn by_snapshot(evidence: &Evidence) -> (Cause, Finding) {
    let mut found = entries(evidence)
        .filter_map(|entry| (entry.exhausted)(evidence).map(|f| (entry.cause(), f)));
    let Some(first) = found.next() else {
        return UNKNOWN;
    };
    // They are concluded from limits that were others a moment before.
    if evidence.limits_changed && matches!(first.0, Cause::RlimitNproc | Cause::ThreadsMax) {
        return UNKNOWN;
    }
    // An execve that is under way needn't have been a moment before; and the count of OOM events is that of all
    // below the topmost cgroup, whose OOM killer mostly finds a victim, so that the creation goes on. Beside what
    // else refuses, neither shows which it was.
    let doubtful = match first.0 {
        Cause::ExecInProgress => found.any(|_| true),
        // What the kernel keeps for itself fills v1's limit of it for good, as page cache fills the other.
        Cause::CgroupMemoryMax | Cause::CgroupKernelMemoryMax => {
            overcommit::would_refuse(evidence) || found.any(|_| true)
        }
        // As near as the kernel's counter is exact to, the copy can have passed; then a namespace without an init
        // refuses for certain.
        Cause::Overcommit => {
            !overcommit::surely_refuses(evidence)
                && found.any(|(cause, _)| cause == Cause::PidNamespaceDead)
        }
        _ => false,
    };
    if doubtful {
        return UNKNOWN;
    }
    // The pids controller counts its refusals, so it contradicts: had an
    // earlier check refused, its count would stand still. Both at once (other
    // tasks fork here too) can't be told apart.
    let pids_refused = evidence.pids_delta.is_some_and(|d| d > 0);
    if pids_refused
        && first.0 != Cause::CgroupPidsMax
        && found.any(|(c, _)| c == Cause::CgroupPidsMax)
    {
        return UNKNOWN;
    }
    first
}

#[cfg(test)]
mod late_tests;

#[cfg(test)]
mod tests;
