//! What forktrace told beside what the kernel's checks answered. Pure.
//!
//! Creations of one task come one after the other, and so do the records of them: each `failure`
//! meets a refusal of its thread, in order, so that their times agree best. What isn't told singly is compared by counts: the refusals that
//! are left over against the `repeat`s, by process, cause and owner.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use forktrace::record::{Alike, Certainty};

use super::told::{BySeq, Records, Told};

/// A record that is farther from every refusal than this, nanoseconds, is none's. Generous: between
/// two looks at the clock a task may be kept from its processor.
const FAR: u64 = 200_000_000;

/// A refusal as the oracle, and the world that was set up, know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
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
pub enum Fault {
    Cause,
    Owner,
    Numbers,
    /// Repeats that belong to other refusals.
    Count,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub fault: Fault,
    pub certainty: Certainty,
    /// How many refusals.
    pub count: u64,
    pub told: String,
    pub seen: String,
}

/// What came of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub refusals: u64,
    /// By certainty: observed, inferred; what was told or repeated with a cause.
    pub observed: u64,
    pub inferred: u64,
    pub unknown: u64,
    /// The oracle doesn't know the cause, or not the owner.
    pub undecided: u64,
    pub undecided_owner: u64,
    pub lost: u64,
    /// Neither told, repeated nor lost.
    pub missed: u64,
    /// Told without a refusal.
    pub extra: u64,
    pub wrong: Vec<Wrong>,
}

/// Compares one phase.
pub fn judge(truths: &[Truth], records: &Records, known: &BySeq) -> Verdict {
    let mut verdict = Verdict {
        refusals: truths.len() as u64,
        undecided: count(truths, |truth| truth.cause.is_none()),
        undecided_owner: count(truths, |truth| {
            truth.cause.is_some_and(has_owner) && truth.owners.is_empty()
        }),
        lost: records.lost,
        ..Verdict::default()
    };
    let (pairs, strangers) = pair(truths, &records.told);
    for &(truth, told) in &pairs {
        certainty(&mut verdict, told, 1);
        verdict.wrong.extend(compare(truth, told));
    }
    for told in &strangers {
        verdict.extra += 1;
        verdict.wrong.push(Wrong {
            fault: Fault::Count,
            certainty: told.certainty,
            count: 1,
            told: format!("EXTRA {}", told.words),
            seen: format!("no such refusal; {}", near(truths, told)),
        });
    }
    let paired: BTreeSet<*const Truth> =
        pairs.iter().map(|(t, _)| std::ptr::from_ref(*t)).collect();
    let rest = truths
        .iter()
        .filter(|truth| !paired.contains(&std::ptr::from_ref(*truth)));
    let mut pool = Pool::new(rest);
    // The finest first: what a coarser one could take may be a finer one's.
    for alike in [Alike::Process, Alike::UserAndCgroup, Alike::Check] {
        for repeat in records.repeated.iter().filter(|r| r.alike == alike) {
            let Some(told) = known.get(repeat.of) else {
                verdict.extra += repeat.count;
                continue;
            };
            certainty(&mut verdict, told, repeat.count);
            pool.claim(told, repeat.count, alike);
        }
    }
    verdict.extra += pool.settle(&mut verdict.wrong);
    // What is said to be lost, or that it may be, is not missed silently.
    verdict.missed = pool.left().saturating_sub(records.lost + records.skipped);
    if verdict.missed > 0 {
        verdict.wrong.push(Wrong {
            fault: Fault::Count,
            certainty: Certainty::Unknown,
            count: verdict.missed,
            told: "MISSED".to_owned(),
            seen: pool.words(),
        });
    }
    verdict
}

fn count(truths: &[Truth], of: impl Fn(&Truth) -> bool) -> u64 {
    truths.iter().filter(|truth| of(truth)).count() as u64
}

fn certainty(verdict: &mut Verdict, told: &Told, count: u64) {
    match told.certainty {
        Certainty::Observed => verdict.observed += count,
        Certainty::Inferred => verdict.inferred += count,
        Certainty::Unknown => verdict.unknown += count,
    }
}

/// Whether a cause is a limit that somebody owns.
pub fn has_owner(cause: &str) -> bool {
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

/// Each `failure` with its refusal, and those that have none.
fn pair<'a>(truths: &'a [Truth], told: &'a [Told]) -> (Vec<(&'a Truth, &'a Told)>, Vec<&'a Told>) {
    let mut of_task: HashMap<u32, (Vec<&Truth>, Vec<&Told>)> = HashMap::new();
    for truth in truths {
        of_task.entry(truth.tid).or_default().0.push(truth);
    }
    for told in told {
        of_task.entry(told.tid).or_default().1.push(told);
    }
    let (mut pairs, mut strangers) = (Vec::new(), Vec::new());
    for (mut truths, mut told) in of_task.into_values() {
        truths.sort_by_key(|truth| truth.end);
        told.sort_by_key(|told| (told.time, told.seq));
        align(&truths, &told, &mut pairs, &mut strangers);
    }
    pairs.sort_by_key(|(_, told)| told.seq);
    strangers.sort_by_key(|told| told.seq);
    (pairs, strangers)
}

/// One thread's: in order on both sides, so that the sum of the distances is the least.
fn align<'a>(
    truths: &[&'a Truth],
    told: &[&'a Told],
    pairs: &mut Vec<(&'a Truth, &'a Told)>,
    strangers: &mut Vec<&'a Told>,
) {
    let wide = truths.len() + 1;
    // By how many of each are looked at.
    let mut least = vec![0; (told.len() + 1) * wide];
    let met = |least: &[u64], i: usize, j: usize| {
        least[(i - 1) * wide + j - 1] + distance(truths[j - 1], told[i - 1].time)
    };
    for i in 1..=told.len() {
        least[i * wide] = i as u64 * FAR;
        for j in 1..wide {
            least[i * wide + j] = met(&least, i, j)
                .min(least[i * wide + j - 1])
                .min(least[(i - 1) * wide + j] + FAR);
        }
    }
    let (mut i, mut j) = (told.len(), truths.len());
    while i > 0 {
        let here = least[i * wide + j];
        if j > 0 && here == least[i * wide + j - 1] {
            j -= 1;
        } else if j > 0 && here == met(&least, i, j) {
            (i, j) = (i - 1, j - 1);
            pairs.push((truths[j], told[i]));
        } else {
            i -= 1;
            strangers.push(told[i]);
        }
    }
}

/// How ill a record's time goes with a refusal. It is taken within the call or soon after, never
/// before: there only the clocks' disagreement can have put it.
fn distance(truth: &Truth, time: u64) -> u64 {
    if time < truth.begin {
        (truth.begin - time).saturating_mul(10)
    } else {
        time.saturating_sub(truth.end)
    }
}

/// When the refusals around it came back, in microseconds before and after: those of its thread, and
/// the nearest of any.
fn near(truths: &[Truth], told: &Told) -> String {
    let at = |truth: &Truth| (truth.end as i64 - told.time as i64) / 1000;
    let mut own: Vec<i64> = truths
        .iter()
        .filter(|truth| truth.tid == told.tid)
        .map(at)
        .collect();
    own.sort_by_key(|at| at.abs());
    own.truncate(4);
    let nearest = truths.iter().min_by_key(|truth| at(truth).abs());
    let nearest = nearest.map(|truth| (truth.tid, at(truth)));
    format!("its thread's came back at {own:?} us, the nearest (thread, us): {nearest:?}")
}

fn compare(truth: &Truth, told: &Told) -> Vec<Wrong> {
    let wrong = |fault| Wrong {
        fault,
        certainty: told.certainty,
        count: 1,
        told: told.words.clone(),
        seen: format!(
            "{} {:?} {}",
            truth.cause.unwrap_or("undecided"),
            truth.owners,
            truth.seen
        ),
    };
    let mut all = Vec::new();
    if told.errno != truth.errno {
        all.push(wrong(Fault::Cause));
        return all;
    }
    if told.certainty == Certainty::Unknown {
        return all;
    }
    if truth.cause.is_some_and(|cause| cause != told.cause) {
        all.push(wrong(Fault::Cause));
        return all;
    }
    let Some(limit) = &told.limit else {
        return all;
    };
    if truth.cause.is_some() && !owner_agrees(truth, told) {
        all.push(wrong(Fault::Owner));
        return all;
    }
    let differs = |wanted: Option<u64>, got: Option<u64>| match (wanted, got) {
        (Some(wanted), Some(got)) => wanted != got,
        _ => false,
    };
    if differs(truth.value, limit.value) || differs(truth.usage, limit.usage) || has_room(told) {
        all.push(wrong(Fault::Numbers));
    }
    all
}

/// It says that a limit was full, and its numbers say that it wasn't.
fn has_room(told: &Told) -> bool {
    // Of memory, what was asked for counts too.
    let exact = matches!(
        told.cause.as_str(),
        "rlimit_nproc" | "threads_max" | "pid_max" | "cgroup_pids_max"
    );
    let Some(limit) = &told.limit else {
        return false;
    };
    exact && matches!((limit.usage, limit.usable), (Some(usage), Some(bound)) if usage < bound)
}

fn owner_agrees(truth: &Truth, told: &Told) -> bool {
    match &told.limit {
        Some(limit) => truth.owners.is_empty() || truth.owners.contains(&limit.scope),
        None => true,
    }
}

/// Refusals that no `failure` tells, by what a repeat says of them.
struct Pool {
    /// Process, cause, owners.
    left: BTreeMap<Key, u64>,
    /// What repeats claimed and nobody had.
    unmet: Vec<(Told, u64, Alike)>,
}

type Key = (u32, Option<&'static str>, Vec<String>);

impl Pool {
    fn new<'a>(truths: impl Iterator<Item = &'a Truth>) -> Self {
        let mut left = BTreeMap::new();
        for truth in truths {
            let key = (truth.process, truth.cause, truth.owners.clone());
            *left.entry(key).or_default() += 1;
        }
        Self {
            left,
            unmet: Vec::new(),
        }
    }

    /// So many refusals are said to be like `told`.
    fn claim(&mut self, told: &Told, mut count: u64, alike: Alike) {
        let mine = |key: &Key| alike != Alike::Process || key.0 == told.process;
        // What agrees in full, then what the oracle leaves open.
        for pass in 0..3 {
            for (key, left) in &mut self.left {
                let fits = match pass {
                    0 => agrees(key, told, alike) && key.1.is_some() && !key.2.is_empty(),
                    1 => agrees(key, told, alike) && key.1.is_some(),
                    _ => agrees(key, told, alike),
                };
                if mine(key) && fits {
                    let taken = count.min(*left);
                    *left -= taken;
                    count -= taken;
                }
            }
        }
        if count > 0 {
            self.unmet.push((told.clone(), count, alike));
        }
    }

    /// Claims that nobody agrees to were made of other refusals: those are told wrongly. What is
    /// then still claimed is more than there was.
    fn settle(&mut self, wrong: &mut Vec<Wrong>) -> u64 {
        let mut extra = 0;
        for (told, mut count, alike) in std::mem::take(&mut self.unmet) {
            for (key, left) in &mut self.left {
                let mine = alike != Alike::Process || key.0 == told.process;
                let taken = if mine { count.min(*left) } else { 0 };
                if taken == 0 {
                    continue;
                }
                *left -= taken;
                count -= taken;
                wrong.push(Wrong {
                    fault: Fault::Count,
                    certainty: told.certainty,
                    count: taken,
                    told: format!("REPEATS of {}", told.words),
                    seen: format!(
                        "{taken} of process {}: {} {:?}",
                        key.0,
                        key.1.unwrap_or("undecided"),
                        key.2
                    ),
                });
            }
            if count > 0 {
                extra += count;
                wrong.push(Wrong {
                    fault: Fault::Count,
                    certainty: told.certainty,
                    count,
                    told: format!("EXTRA repeats of {}", told.words),
                    seen: "no such refusals".to_owned(),
                });
            }
        }
        extra
    }

    fn left(&self) -> u64 {
        self.left.values().sum()
    }

    fn words(&self) -> String {
        let left = self.left.iter().filter(|(_, count)| **count > 0);
        let words = left.map(|(key, count)| {
            format!(
                "{count} of process {}: {} {:?}",
                key.0,
                key.1.unwrap_or("undecided"),
                key.2
            )
        });
        words.collect::<Vec<_>>().join("; ")
    }
}

/// Whether a repeat of `told` may stand for refusals of this key.
fn agrees(key: &Key, told: &Told, alike: Alike) -> bool {
    if told.certainty == Certainty::Unknown {
        return true;
    }
    let cause = key.1.is_none_or(|cause| cause == told.cause);
    // Where only the check is the same, no owner is claimed.
    let owner = alike == Alike::Check
        || key.2.is_empty()
        || told
            .limit
            .as_ref()
            .is_none_or(|limit| key.2.contains(&limit.scope));
    cause && owner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::torture::told::{Bound, Repeated};

    fn truth(tid: u32, begin: u64, cause: &'static str, owner: &str) -> Truth {
        Truth {
            tid,
            process: tid,
            begin,
            end: begin + 60_000,
            errno: libc::EAGAIN,
            cause: Some(cause),
            owners: vec![owner.to_owned()],
            ..Truth::default()
        }
    }

    fn told(seq: u64, tid: u32, time: u64, cause: &str, owner: &str) -> Told {
        Told {
            seq,
            tid,
            process: tid,
            time,
            errno: libc::EAGAIN,
            cause: cause.to_owned(),
            certainty: Certainty::Observed,
            limit: Some(Bound {
                scope: owner.to_owned(),
                ..Bound::default()
            }),
            words: String::new(),
        }
    }

    fn judged(truths: &[Truth], told: Vec<Told>, repeats: &[(u64, u64)], lost: u64) -> Verdict {
        let mut known = BySeq::default();
        known.learn(&told);
        let repeated = repeats.iter().map(|&(of, count)| Repeated {
            of,
            count,
            alike: Alike::Process,
        });
        let records = Records {
            told,
            repeated: repeated.collect(),
            lost,
            skipped: 0,
        };
        judge(truths, &records, &known)
    }

    fn faults(verdict: &Verdict) -> Vec<(Fault, u64)> {
        verdict
            .wrong
            .iter()
            .map(|wrong| (wrong.fault, wrong.count))
            .collect()
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn each_record_meets_its_refusal() {
        let truths = [
            truth(7, MS, "threads_max", "host"),
            truth(7, 2 * MS, "rlimit_nproc", "uid 5"),
            truth(8, MS, "pid_max", "host"),
        ];
        let right = vec![
            told(1, 7, MS + 50_000, "threads_max", "host"),
            told(2, 7, 2 * MS + 50_000, "rlimit_nproc", "uid 5"),
            told(3, 8, MS + 50_000, "pid_max", "host"),
        ];
        let verdict = judged(&truths, right, &[], 0);
        assert_eq!(
            (verdict.wrong, verdict.missed, verdict.observed),
            (vec![], 0, 3)
        );
        let swapped = vec![
            told(1, 7, MS + 50_000, "rlimit_nproc", "uid 5"),
            told(2, 7, 2 * MS + 50_000, "rlimit_nproc", "uid 6"),
        ];
        let verdict = judged(&truths, swapped, &[], 1);
        assert_eq!(faults(&verdict), [(Fault::Cause, 1), (Fault::Owner, 1)]);
        assert_eq!(verdict.missed, 0);
    }

    #[test]
    fn a_time_within_the_call_or_after_it() {
        // 100 us apart, each of 60 us.
        for off in [0, 55_000, 95_000] {
            let truths: Vec<Truth> = (0..20)
                .map(|n| truth(7, MS + n * 100_000, ["pid_max", "lsm"][n as usize % 2], "x"))
                .collect();
            let all = (0..20).map(|n| {
                told(
                    n,
                    7,
                    MS + n * 100_000 + off,
                    ["pid_max", "lsm"][n as usize % 2],
                    "x",
                )
            });
            let verdict = judged(&truths, all.collect(), &[], 0);
            assert_eq!((verdict.wrong, verdict.missed), (vec![], 0), "{off}");
        }
    }

    #[test]
    fn missed_and_extra() {
        let truths = [
            truth(7, MS, "pid_max", "host"),
            truth(7, 2 * MS, "pid_max", "host"),
        ];
        let verdict = judged(&truths, vec![told(1, 7, MS + 9, "pid_max", "host")], &[], 0);
        assert_eq!((verdict.missed, verdict.extra), (1, 0));
        let three = (1..=3).map(|n| told(n, 7, n * MS + 9, "pid_max", "host"));
        let verdict = judged(&truths, three.collect(), &[], 0);
        assert_eq!((verdict.missed, verdict.extra), (0, 1));
        let verdict = judged(
            &truths,
            vec![told(1, 7, MS + 9, "pid_max", "host")],
            &[(1, 4)],
            0,
        );
        assert_eq!((verdict.missed, verdict.extra), (0, 3));
    }

    #[test]
    fn repeats_by_cause_and_owner() {
        let mut truths = vec![truth(7, MS, "rlimit_nproc", "uid 5")];
        truths.extend((2..=4).map(|n| truth(7, n * MS, "rlimit_nproc", "uid 5")));
        truths.extend((5..=9).map(|n| truth(7, n * MS, "threads_max", "host")));
        let first = || vec![told(1, 7, MS + 9, "rlimit_nproc", "uid 5")];
        // All eight as the neighbour's.
        let verdict = judged(&truths, first(), &[(1, 8)], 0);
        assert_eq!(faults(&verdict), [(Fault::Count, 5)]);
        assert_eq!((verdict.missed, verdict.extra), (0, 0));
        // Said to be undecided: nothing is wrong.
        let mut open = told(2, 7, 5 * MS + 9, "unknown", "");
        open.certainty = Certainty::Unknown;
        let mut both = first();
        both.push(open);
        let verdict = judged(&truths, both, &[(1, 3), (2, 4)], 0);
        assert_eq!((faults(&verdict), verdict.unknown), (vec![], 5));
    }

    #[test]
    fn what_the_oracle_leaves_open_is_not_compared() {
        let mut open = truth(7, MS, "pid_max", "host");
        open.cause = None;
        open.owners.clear();
        let verdict = judged(&[open], vec![told(1, 7, MS + 9, "lsm", "x")], &[], 0);
        assert_eq!((verdict.wrong, verdict.undecided), (vec![], 1));
    }

    #[test]
    fn numbers_that_contradict() {
        let full = |usage, value| {
            let mut told = told(1, 7, MS + 9, "cgroup_pids_max", "/a");
            told.limit = Some(Bound {
                scope: "/a".to_owned(),
                value: Some(value),
                usable: Some(value),
                usage: Some(usage),
            });
            vec![told]
        };
        let mut truths = [truth(7, MS, "cgroup_pids_max", "/a")];
        assert_eq!(faults(&judged(&truths, full(3, 3), &[], 0)), []);
        assert_eq!(
            faults(&judged(&truths, full(2, 3), &[], 0)),
            [(Fault::Numbers, 1)]
        );
        truths[0].usage = Some(4);
        assert_eq!(
            faults(&judged(&truths, full(3, 3), &[], 0)),
            [(Fault::Numbers, 1)]
        );
    }
}
