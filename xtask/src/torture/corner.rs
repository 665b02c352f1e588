//! One kernel in one style: its sums, and whether they keep to the bar.

use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// What the guest's line `TORTURE` says.
pub(super) struct Corner {
    pub kernel: String,
    pub style: String,
    /// `None`: the machine didn't come to an end.
    counts: Option<BTreeMap<String, u64>>,
}

/// What is wrong of a verdict, as the guest counts it.
pub(super) const FAULTS: [&str; 4] = ["cause", "owner", "numbers", "count"];

/// Of the inferred verdicts in races one in so many may be wrong.
const INFERRED: u64 = 10_000;

impl Corner {
    /// Finds the line; the last one, for a machine may have been started twice.
    pub(super) fn read(kernel: &str, style: &str, output: &str) -> Result<Self> {
        let line = output
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("TORTURE\t"));
        let counts = line
            .context("no line of sums")?
            .split('\t')
            .filter_map(|part| {
                let (name, count) = part.split_once('=')?;
                Some((name.to_owned(), count.trim().parse().ok()?))
            });
        Ok(Self {
            kernel: kernel.to_owned(),
            style: style.to_owned(),
            counts: Some(counts.collect()),
        })
    }

    pub(super) fn without_result(kernel: &str, style: &str) -> Self {
        Self {
            kernel: kernel.to_owned(),
            style: style.to_owned(),
            counts: None,
        }
    }

    pub(super) fn get(&self, name: &str) -> u64 {
        let counts = self.counts.as_ref();
        counts.and_then(|c| c.get(name)).copied().unwrap_or(0)
    }

    pub(super) fn refusals(&self) -> u64 {
        self.get("refusals_still") + self.get("refusals_race")
    }

    /// Wrong verdicts of one kind, by certainty and where: `observed`, `race`.
    pub(super) fn wrong(&self, fault: &str, certainty: &str, at: &str) -> u64 {
        self.get(&format!("wrong_{fault}_{certainty}_{at}"))
    }

    fn all_wrong(&self, certainty: &str, at: &str) -> u64 {
        FAULTS
            .iter()
            .map(|fault| self.wrong(fault, certainty, at))
            .sum()
    }

    /// In what the bar is broken.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.counts.is_none() {
            return vec!["no result".to_owned()];
        }
        let mut most = |what: &str, count: u64, allowed: u64| {
            if count > allowed {
                all.push(format!("{what} {count}"));
            }
        };
        let observed = self.all_wrong("observed", "still") + self.all_wrong("observed", "race");
        most("observed wrong", observed, 0);
        most("inferred wrong", self.all_wrong("inferred", "still"), 0);
        most(
            "inferred wrong in races",
            self.all_wrong("inferred", "race"),
            self.get("inferred") / INFERRED,
        );
        most("missed", self.get("missed"), 0);
        most("extra", self.get("extra"), 0);
        let unknown = self.get("unknown").saturating_sub(self.get("hidden"));
        most("unknown", unknown, self.refusals() / 100);
        // The judge's own: then the sums can't be trusted.
        most("oracle contradicted", self.get("contradictions"), 0);
        most("oracle's gaps", self.get("gaps"), 0);
        most("broken worlds", self.get("broken"), 0);
        if self.refusals() == 0 {
            all.push("nothing was refused".to_owned());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(counts: &str) -> Vec<String> {
        let line = format!("noise\nTORTURE\t6.1\tfexit\trefusals_race=200\t{counts}\nmore\n");
        Corner::read("6.1", "fexit", &line).unwrap().broken()
    }

    #[test]
    fn the_bar() {
        assert_eq!(broken("unknown=2"), [""; 0]);
        assert_eq!(broken("unknown=3"), ["unknown 3"]);
        assert_eq!(broken("unknown=9\thidden=7"), [""; 0]);
        assert_eq!(
            broken("wrong_cause_observed_race=1\twrong_count_observed_still=2"),
            ["observed wrong 3"]
        );
        assert_eq!(
            broken("inferred=9999\twrong_owner_inferred_race=1").len(),
            1
        );
        assert_eq!(
            broken("inferred=10000\twrong_owner_inferred_race=1").len(),
            0
        );
        assert_eq!(
            broken("inferred=10000\twrong_owner_inferred_still=1").len(),
            1
        );
        assert_eq!(broken("missed=1\textra=1\tlost=5"), ["missed 1", "extra 1"]);
    }

    #[test]
    fn no_end_is_no_result() {
        assert!(Corner::read("6.1", "fexit", "nothing\n").is_err());
        assert_eq!(
            Corner::without_result("6.1", "fexit").broken(),
            ["no result"]
        );
    }
}
