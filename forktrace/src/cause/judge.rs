//! The verdict.

use crate::{
    cause::{CATALOGUE, Cause, Finding, candidates},
    evidence::{Evidence, Stage},
    record::{Candidate, Certainty, Limit},
};

/// What forktrace has to say about a failing return.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub cause: Cause,
    pub certainty: Certainty,
    /// The refusing limit, with the numbers that were compared.
    pub limit: Option<Limit>,
    /// The other limits at the same instant, fullest first.
    pub candidates: Vec<Candidate>,
}

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
    let mut candidates = candidates::all(evidence);
    if let Some(limit) = &finding.limit {
        candidates.retain(|c| !(c.name == limit.name && c.scope == limit.scope));
    }
    Verdict {
        cause,
        certainty: finding.certainty,
        limit: finding.limit,
        candidates,
    }
}

const UNKNOWN: (Cause, Finding) = (
    Cause::Unknown,
    Finding {
        certainty: Certainty::Unknown,
        limit: None,
    },
);

fn by_stage(evidence: &Evidence) -> (Cause, Finding) {
    CATALOGUE
        .iter()
        .find_map(|entry| (entry.seen)(evidence).map(|f| (entry.cause, f)))
        .unwrap_or(UNKNOWN)
}

fn by_snapshot(evidence: &Evidence) -> (Cause, Finding) {
    let mut found = CATALOGUE
        .iter()
        .filter_map(|entry| (entry.exhausted)(evidence).map(|f| (entry.cause, f)));
    let Some(first) = found.next() else {
        return UNKNOWN;
    };
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
