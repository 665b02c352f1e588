//! Failures of a recording, by caller.

use std::collections::{BTreeMap, HashMap};

use forktrace::cause::Cause;
use forktrace::record::{Alike, Failure, Record};

/// Repeats that are said to have only user and cgroup, or the check, in common with what they repeat, by its
/// cause: whose they are isn't known.
pub(crate) type Coarse = BTreeMap<Cause, u64>;

/// A line of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub raw: String,
    pub record: Record,
}

/// The failures of one part of a recording with what repeats them, by caller.
/// A part is a scenario's, for pids come back.
#[derive(Default)]
pub(crate) struct Recorded {
    by_pid: HashMap<u32, Vec<(usize, Failure)>>,
    repeats: HashMap<u64, u64>,
    /// Those of others too, see [`Coarse`].
    coarse: HashMap<u64, u64>,
    raw: Vec<String>,
    /// What `limit.file` held while the scenario stood, by `seq`.
    pub files: BTreeMap<u64, String>,
}

impl Recorded {
    /// Adds one line.
    pub(crate) fn add(&mut self, line: &Line) {
        match &line.record {
            Record::Failure(failure) => {
                self.raw.push(line.raw.clone());
                self.by_pid
                    .entry(failure.caller.pid)
                    .or_default()
                    .push((self.raw.len() - 1, (**failure).clone()));
            }
            Record::Repeat(repeat) => {
                let counts = match repeat.alike {
                    Alike::Process => &mut self.repeats,
                    Alike::UserAndCgroup | Alike::Check => &mut self.coarse,
                };
                *counts.entry(repeat.of).or_default() += repeat.count;
            }
            _ => {}
        }
    }

    /// Drops the counts, to take them from the whole recording.
    pub(crate) fn forget_repeats(&mut self) {
        self.repeats.clear();
        self.coarse.clear();
    }

    /// The callers.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let mut all: Vec<_> = self.by_pid.keys().copied().collect();
        all.sort_unstable();
        all
    }

    /// Records of a caller.
    pub(crate) fn of(&self, pid: u32) -> impl Iterator<Item = &Failure> {
        self.by_pid.get(&pid).into_iter().flatten().map(|(_, f)| f)
    }

    /// The lines of a caller's records.
    pub(crate) fn raw_of(&self, pid: u32) -> Vec<String> {
        self.by_pid
            .get(&pid)
            .into_iter()
            .flatten()
            .map(|(at, _)| self.raw[*at].clone())
            .collect()
    }

    /// A failure, and what repeats it.
    pub(super) fn times(&self, failure: &Failure) -> u64 {
        1 + self.repeats.get(&failure.seq).copied().unwrap_or(0)
    }

    /// Failures of a caller, with what is known to repeat them.
    pub(crate) fn count(&self, pid: u32) -> u64 {
        self.of(pid).map(|f| self.times(f)).sum()
    }

    /// Adds repeats of which it isn't known whose they are.
    pub(crate) fn add_coarse(&self, to: &mut Coarse) {
        for (_, failure) in self.by_pid.values().flatten() {
            if let Some(count) = self.coarse.get(&failure.seq) {
                *to.entry(failure.cause).or_default() += count;
            }
        }
    }

    /// Failures of all.
    pub(crate) fn total(&self) -> u64 {
        let mut coarse = Coarse::new();
        self.add_coarse(&mut coarse);
        let known: u64 = self.pids().iter().map(|pid| self.count(*pid)).sum();
        known + coarse.values().sum::<u64>()
    }
}
