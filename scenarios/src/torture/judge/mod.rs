//! What forktrace reported beside what the kernel's checks answered. Pure.
//!
//! Creations of one task come one after the other, and so do the records of them: each `failure`
//! meets a refusal of its thread, in order, so that their times agree best ([`pair`]). What has no
//! record of its own is compared by counts ([`pool`]): the refusals that are left over against the
//! `repeat`s, by process, cause and owner.

mod pair;
mod pool;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use forktrace::record::{Alike, Certainty};

use super::reported::{BySeq, Records, Reported};
use pair::{near, pair};
use pool::Pool;

/// A refusal as the oracle, and the world that was set up, know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Truth {
    pub tid: u32,
    pub process: u32,
    pub begin: u64,
    pub end: u64,
    pub errno: i32,
    /// `None`: undecided.
    pub cause: Option<&'static str>,
    /// What a record may call the owner; empty: undecided.
    pub owners: Vec<String>,
    /// Known only where nothing changed.
    pub value: Option<u64>,
    pub usage: Option<u64>,
    pub seen: String,
}

/// What is wrong with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    Cause,
    Owner,
    Numbers,
    /// Repeats that belong to other refusals.
    Count,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub fault: Fault,
    pub certainty: Certainty,
    /// How many refusals.
    pub count: u64,
    pub reported: String,
    pub seen: String,
}

/// What came of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub refusals: u64,
    /// By certainty: observed, inferred; what was reported or repeated with a cause.
    pub observed: u64,
    pub inferred: u64,
    pub unknown: u64,
    /// The oracle doesn't know the cause, or not the owner.
    pub undecided: u64,
    pub undecided_owner: u64,
    pub lost: u64,
    /// Neither reported, repeated nor lost.
    pub missed: u64,
    /// Reported without a refusal.
    pub extra: u64,
    pub wrong: Vec<Wrong>,
}

/// Compares one phase.
pub(super) fn judge(truths: &[Truth], records: &Records, known: &BySeq) -> Verdict {
    let mut verdict = Verdict {
        refusals: truths.len() as u64,
        undecided: count(truths, |truth| truth.cause.is_none()),
        undecided_owner: count(truths, |truth| {
            truth.cause.is_some_and(has_owner) && truth.owners.is_empty()
        }),
        lost: records.lost,
        ..Verdict::default()
    };
    let (pairs, strangers) = pair(truths, &records.failures);
    for &(truth, reported) in &pairs {
        certainty(&mut verdict, reported, 1);
        verdict.wrong.extend(compare(truth, reported));
    }
    for reported in &strangers {
        verdict.extra += 1;
        verdict.wrong.push(Wrong {
            fault: Fault::Count,
            certainty: reported.certainty,
            count: 1,
            reported: format!("EXTRA {}", reported.words),
            seen: format!("no such refusal; {}", near(truths, reported)),
        });
    }
    let paired: BTreeSet<*const Truth> =
        pairs.iter().map(|(t, _)| std::ptr::from_ref(*t)).collect();
    let rest = truths
        .iter()
        .filter(|truth| !paired.contains(&std::ptr::from_ref(*truth)));
    let mut pool = Pool::new(rest);
    let mut repeats = Vec::new();
    for repeat in &records.repeated {
        match known.get(repeat.of) {
            Some(reported) => repeats.push((repeat, reported)),
            None => verdict.extra += repeat.count,
        }
    }
    // The finest first: what a coarser one could take may be a finer one's. What names no cause
    // could take anything, so it is last.
    repeats.sort_by_key(|(repeat, reported)| {
        let level = match repeat.alike {
            Alike::Process => 0,
            Alike::UserAndCgroup => 1,
            Alike::Check => 2,
        };
        (reported.certainty == Certainty::Unknown, level)
    });
    for (repeat, reported) in repeats {
        certainty(&mut verdict, reported, repeat.count);
        pool.claim(reported, repeat.count, repeat.alike);
    }
    verdict.extra += pool.settle(&mut verdict.wrong);
    // What is said to be lost, or that it may be, is not missed silently.
    verdict.missed = pool.left().saturating_sub(records.lost + records.skipped);
    if verdict.missed > 0 {
        verdict.wrong.push(Wrong {
            fault: Fault::Count,
            certainty: Certainty::Unknown,
            count: verdict.missed,
            reported: "MISSED".to_owned(),
            seen: pool.words(),
        });
    }
    verdict
}

fn count(truths: &[Truth], of: impl Fn(&Truth) -> bool) -> u64 {
    truths.iter().filter(|truth| of(truth)).count() as u64
}

fn certainty(verdict: &mut Verdict, reported: &Reported, count: u64) {
    match reported.certainty {
        Certainty::Observed => verdict.observed += count,
        Certainty::Inferred => verdict.inferred += count,
        Certainty::Unknown => verdict.unknown += count,
    }
}

/// Whether a cause is a limit that somebody owns.
pub(super) fn has_owner(cause: &str) -> bool {
    matches!(
        cause,
        "rlimit_nproc"
            | "threads_max"
            | "pid_max"
            | "cgroup_pids_max"
            | "cgroup_memory_max"
            | "overcommit"
    )
}

fn compare(truth: &Truth, reported: &Reported) -> Vec<Wrong> {
    let wrong = |fault| Wrong {
        fault,
        certainty: reported.certainty,
        count: 1,
        reported: reported.words.clone(),
        seen: format!(
            "{} {:?} {}",
            truth.cause.unwrap_or("undecided"),
            truth.owners,
            truth.seen
        ),
    };
    let mut all = Vec::new();
    if reported.errno != truth.errno {
        all.push(wrong(Fault::Cause));
        return all;
    }
    if reported.certainty == Certainty::Unknown {
        return all;
    }
    if truth.cause.is_some_and(|cause| cause != reported.cause) {
        all.push(wrong(Fault::Cause));
        return all;
    }
    let Some(limit) = &reported.limit else {
        return all;
    };
    if truth.cause.is_some() && !owner_agrees(truth, reported) {
        all.push(wrong(Fault::Owner));
        return all;
    }
    let differs = |wanted: Option<u64>, got: Option<u64>| match (wanted, got) {
        (Some(wanted), Some(got)) => wanted != got,
        _ => false,
    };
    if differs(truth.value, limit.value) || differs(truth.usage, limit.usage) || has_room(reported)
    {
        all.push(wrong(Fault::Numbers));
    }
    all
}

/// It says that a limit was full, and its numbers say that it wasn't.
fn has_room(reported: &Reported) -> bool {
    // Of memory, what was asked for counts too.
    let exact = matches!(
        reported.cause.as_str(),
        "rlimit_nproc" | "threads_max" | "pid_max" | "cgroup_pids_max"
    );
    let Some(limit) = &reported.limit else {
        return false;
    };
    exact && matches!((limit.usage, limit.usable), (Some(usage), Some(bound)) if usage < bound)
}

fn owner_agrees(truth: &Truth, reported: &Reported) -> bool {
    match &reported.limit {
        Some(limit) => truth.owners.is_empty() || truth.owners.contains(&limit.scope),
        None => true,
    }
}
