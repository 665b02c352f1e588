//! Refusals that are reported by their number alone.

use std::collections::BTreeMap;

use forktrace::record::{Alike, Certainty};

use super::{Fault, Truth, Wrong};
use crate::torture::reported::Reported;

/// Refusals that no `failure` record describes, by what a repeat says of them.
pub(super) struct Pool {
    /// Process, cause, owners.
    left: BTreeMap<Key, u64>,
    /// What repeats claimed and nobody had.
    unmet: Vec<(Reported, u64, Alike)>,
}

type Key = (u32, Option<&'static str>, Vec<String>);

impl Pool {
    pub(super) fn new<'a>(truths: impl Iterator<Item = &'a Truth>) -> Self {
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

    /// So many refusals are said to be like `reported`.
    pub(super) fn claim(&mut self, reported: &Reported, mut count: u64, alike: Alike) {
        let mine = |key: &Key| alike != Alike::Process || key.0 == reported.process;
        // What agrees in full, then what the oracle leaves open.
        for pass in 0..3 {
            for (key, left) in &mut self.left {
                let fits = match pass {
                    0 => agrees(key, reported, alike) && key.1.is_some() && !key.2.is_empty(),
                    1 => agrees(key, reported, alike) && key.1.is_some(),
                    _ => agrees(key, reported, alike),
                };
                if mine(key) && fits {
                    let taken = count.min(*left);
                    *left -= taken;
                    count -= taken;
                }
            }
        }
        if count > 0 {
            self.unmet.push((reported.clone(), count, alike));
        }
    }

    /// Claims that nobody agrees to were made of other refusals: those are reported wrongly. What is
    /// then still claimed is more than there was.
    pub(super) fn settle(&mut self, wrong: &mut Vec<Wrong>) -> u64 {
        let mut extra = 0;
        for (reported, mut count, alike) in std::mem::take(&mut self.unmet) {
            for (key, left) in &mut self.left {
                let mine = alike != Alike::Process || key.0 == reported.process;
                let taken = if mine { count.min(*left) } else { 0 };
                if taken == 0 {
                    continue;
                }
                *left -= taken;
                count -= taken;
                wrong.push(Wrong {
                    fault: Fault::Count,
                    certainty: reported.certainty,
                    count: taken,
                    reported: format!("REPEATS of {}", reported.words),
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
                    certainty: reported.certainty,
                    count,
                    reported: format!("EXTRA repeats of {}", reported.words),
                    seen: "no such refusals".to_owned(),
                });
            }
        }
        extra
    }

    pub(super) fn left(&self) -> u64 {
        self.left.values().sum()
    }

    pub(super) fn words(&self) -> String {
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

/// Whether a repeat of `reported` may stand for refusals of this key.
fn agrees(key: &Key, reported: &Reported, alike: Alike) -> bool {
    if reported.certainty == Certainty::Unknown {
        return true;
    }
    let cause = key.1.is_none_or(|cause| cause == reported.cause);
    // Where only the check is the same, no owner is claimed.
    let owner = alike == Alike::Check
        || key.2.is_empty()
        || reported
            .limit
            .as_ref()
            .is_none_or(|limit| key.2.contains(&limit.scope));
    cause && owner
}
