//! All that was recorded of one caller, against what it did.

use std::collections::BTreeMap;

use forktrace::cause::Cause;
use forktrace::record::Certainty;

use super::{Coarse, Expect, Recorded, one};

/// What came of the comparison, for the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Right,
    Unknown,
    Wrong,
}

impl Verdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Unknown => "unknown",
            Self::Wrong => "wrong",
        }
    }
}

/// One expectation's outcome.
pub(crate) struct Seen {
    pub cause: Cause,
    pub certainty: Certainty,
    pub verdict: Verdict,
}

/// Verdicts that were given to more refusals than there were of that cause and owner, repeats included.
fn too_many_of_one(recorded: &Recorded, pid: u32, wanted: &[&Expect]) -> Vec<String> {
    let mut counts: BTreeMap<(String, Option<String>), (u64, u64)> = BTreeMap::new();
    for failure in recorded.of(pid) {
        if failure.cause == Cause::Unknown {
            continue;
        }
        let owner = failure.limit.as_ref().map(|limit| limit.owner.to_string());
        let key = (format!("{:?}", failure.cause), owner);
        let (said, could) = counts.entry(key).or_default();
        *said += recorded.times(failure);
        *could = wanted.iter().filter(|e| e.is_of(failure)).count() as u64;
    }
    counts
        .into_iter()
        // Of what nothing was wanted, more is said below.
        .filter(|(_, (said, could))| *could > 0 && said > could)
        .map(|((cause, owner), (said, could))| {
            let owner = owner.unwrap_or_default();
            format!("{said} are said to be {cause} of {owner:?}, which refused {could}")
        })
        .collect()
}

/// Takes what is lacking from the repeats of the causes that were wanted; how much there was.
fn take(coarse: &mut Coarse, wanted: &[&Expect], lacking: u64) -> u64 {
    let mut taken = 0;
    for expect in wanted {
        if let Some(left) = coarse.get_mut(&expect.cause) {
            let some = (lacking - taken).min(*left);
            *left -= some;
            taken += some;
        }
    }
    taken
}

/// Compares everything that was recorded of one caller with what it did. The
/// second answer is what is wrong.
///
/// So many as `skipped` says may be missing; as many as are, are taken off. What
/// was recorded may then be `unknown` because a stage's program was skipped, and
/// where that is `doubted`, inferred. What `coarse` has of a cause may be this caller's.
pub(crate) fn compare(
    recorded: &Recorded,
    pid: u32,
    wanted: &[&Expect],
    style: &str,
    doubted: bool,
    skipped: &mut u64,
    coarse: &mut Coarse,
) -> (Vec<Seen>, Vec<String>) {
    let mut seen = Vec::new();
    let mut wrong = Vec::new();
    let known = recorded.count(pid);
    let lacking = (wanted.len() as u64).saturating_sub(known);
    let count = known + take(coarse, wanted, lacking);
    let missing = (wanted.len() as u64).saturating_sub(count);
    let may_lack_stages = *skipped > 0;
    if missing > 0 && missing <= *skipped {
        *skipped -= missing;
    } else if count != wanted.len() as u64 {
        wrong.push(format!(
            "{} refused, {count} recorded (repeats included)",
            wanted.len()
        ));
    }
    wrong.extend(too_many_of_one(recorded, pid, wanted));
    let mut left: Vec<&Expect> = wanted.to_vec();
    for failure in recorded.of(pid) {
        let made = |e: &&Expect| {
            e.tid == failure.caller.tid && failure.syscall.as_deref() == Some(e.kind.syscall())
        };
        let position = |fits: &dyn Fn(&&Expect) -> bool| left.iter().position(fits);
        let at = position(&|e| made(e) && e.is_of(failure))
            .or_else(|| position(&|e| made(e) && e.cause == failure.cause))
            .or_else(|| position(&made))
            .unwrap_or(0);
        let Some(expect) = left.get(at).copied() else {
            wrong.push(format!("seq {} is one too many", failure.seq));
            continue;
        };
        left.remove(at);
        if may_lack_stages && failure.cause == Cause::Unknown {
            seen.push(Seen {
                cause: expect.cause,
                certainty: failure.certainty,
                verdict: Verdict::Unknown,
            });
            continue;
        }
        let mut expect = expect.clone();
        expect.inferred |= doubted && failure.certainty == Certainty::Inferred;
        let verdict = one::compare(failure, &expect, style, &mut wrong);
        if let Some(file) = recorded.files.get(&failure.seq)
            && let Some(value) = failure.limit.as_ref().and_then(|l| l.value)
            && file.trim() != value.to_string()
        {
            wrong.push(format!("limit.file holds {file:?}, value is {value}"));
        }
        seen.push(Seen {
            cause: expect.cause,
            certainty: failure.certainty,
            verdict,
        });
    }
    wrong.sort();
    wrong.dedup();
    (seen, wrong)
}
