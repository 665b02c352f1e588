//! Sums over phases: what a run comes to, and the line that xtask reads.

use forktrace::record::Certainty;

use super::judge::{Fault, Verdict};

/// What is counted of one attach style on one kernel, by name.
#[derive(Default)]
pub(super) struct Tally(std::collections::BTreeMap<String, u64>);

impl Tally {
    pub(super) fn add(&mut self, name: &str, count: u64) {
        *self.0.entry(name.to_owned()).or_default() += count;
    }

    pub(super) fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(super) fn take(&mut self, verdict: &Verdict, race: bool) {
        let at = if race { "race" } else { "still" };
        self.add("phases", 1);
        self.add(&format!("refusals_{at}"), verdict.refusals);
        for (name, count) in [
            ("observed", verdict.observed),
            ("inferred", verdict.inferred),
            ("unknown", verdict.unknown),
            ("undecided", verdict.undecided),
            ("undecided_owner", verdict.undecided_owner),
            ("lost", verdict.lost),
            ("missed", verdict.missed),
            ("extra", verdict.extra),
        ] {
            self.add(name, count);
        }
        for wrong in &verdict.wrong {
            let fault = match wrong.fault {
                Fault::Cause => "cause",
                Fault::Owner => "owner",
                Fault::Numbers => "numbers",
                // Counted above.
                Fault::Count
                    if wrong.reported.starts_with("EXTRA") || wrong.reported == "MISSED" =>
                {
                    continue;
                }
                Fault::Count => "count",
            };
            let certainty = match wrong.certainty {
                Certainty::Observed => "observed",
                Certainty::Inferred => "inferred",
                Certainty::Unknown => continue,
            };
            self.add(&format!("wrong_{fault}_{certainty}_{at}"), wrong.count);
        }
    }

    /// `TORTURE`, kernel, style, and `name=count`, separated by tabs.
    pub(super) fn line(&self, kernel: &str, style: &str) -> String {
        let counts: Vec<String> = self
            .0
            .iter()
            .map(|(name, n)| format!("{name}={n}"))
            .collect();
        format!("TORTURE\t{kernel}\t{style}\t{}", counts.join("\t"))
    }
}
