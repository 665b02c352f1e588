//! Which refusal a `failure` record is of.

use std::collections::HashMap;

use super::{Truth, compare};
use crate::torture::reported::Reported;

/// A record that is farther from every refusal than this, nanoseconds, is none's. Generous: between
/// two looks at the clock a task may be kept from its processor, and the whole machine from its host's.
const FAR: u64 = 2_000_000_000;

/// What a record that says something else than a refusal is farther from it, nanoseconds: forktrace reads
/// two clocks for a record's time, one after the other, and the trace has microseconds, so that of two
/// refusals so close the times don't show which one a record is of. What it says does.
const CLOSE: u64 = 100_000;

/// Each `failure` with its refusal, and those that have none.
pub(super) fn pair<'a>(
    truths: &'a [Truth],
    reported: &'a [Reported],
) -> (Vec<(&'a Truth, &'a Reported)>, Vec<&'a Reported>) {
    let mut of_task: HashMap<u32, (Vec<&Truth>, Vec<&Reported>)> = HashMap::new();
    for truth in truths {
        of_task.entry(truth.tid).or_default().0.push(truth);
    }
    for reported in reported {
        of_task.entry(reported.tid).or_default().1.push(reported);
    }
    let (mut pairs, mut strangers) = (Vec::new(), Vec::new());
    for (mut truths, mut reported) in of_task.into_values() {
        truths.sort_by_key(|truth| truth.end);
        reported.sort_by_key(|reported| (reported.time, reported.seq));
        align(&truths, &reported, &mut pairs, &mut strangers);
    }
    pairs.sort_by_key(|(_, reported)| reported.seq);
    strangers.sort_by_key(|reported| reported.seq);
    (pairs, strangers)
}

/// One thread's: in order on both sides, so that the sum of the distances is the least.
fn align<'a>(
    truths: &[&'a Truth],
    reported: &[&'a Reported],
    pairs: &mut Vec<(&'a Truth, &'a Reported)>,
    strangers: &mut Vec<&'a Reported>,
) {
    let wide = truths.len() + 1;
    // By how many of each are looked at.
    let mut least = vec![0; (reported.len() + 1) * wide];
    let met = |least: &[u64], i: usize, j: usize| {
        let (truth, reported) = (truths[j - 1], reported[i - 1]);
        let says_else = u64::from(!compare(truth, reported).is_empty());
        least[(i - 1) * wide + j - 1] + distance(truth, reported.time) + says_else * CLOSE
    };
    for i in 1..=reported.len() {
        least[i * wide] = i as u64 * FAR;
        for j in 1..wide {
            least[i * wide + j] = met(&least, i, j)
                .min(least[i * wide + j - 1])
                .min(least[(i - 1) * wide + j] + FAR);
        }
    }
    let (mut i, mut j) = (reported.len(), truths.len());
    while i > 0 {
        let here = least[i * wide + j];
        if j > 0 && here == least[i * wide + j - 1] {
            j -= 1;
        } else if j > 0 && here == met(&least, i, j) {
            (i, j) = (i - 1, j - 1);
            pairs.push((truths[j], reported[i]));
        } else {
            i -= 1;
            strangers.push(reported[i]);
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
pub(super) fn near(truths: &[Truth], reported: &Reported) -> String {
    let at = |truth: &Truth| (truth.end as i64 - reported.time as i64) / 1000;
    let mut own: Vec<i64> = truths
        .iter()
        .filter(|truth| truth.tid == reported.tid)
        .map(at)
        .collect();
    own.sort_by_key(|at| at.abs());
    own.truncate(4);
    let nearest = truths.iter().min_by_key(|truth| at(truth).abs());
    let nearest = nearest.map(|truth| (truth.tid, at(truth)));
    format!("its thread's came back at {own:?} us, the nearest (thread, us): {nearest:?}")
}
