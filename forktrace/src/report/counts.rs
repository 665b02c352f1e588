//! What is counted of all failures together. Causes, errnos, operations are
//! few by their types, so that these need no bound.

use std::collections::BTreeMap;

use super::{few::Few, when::When};
use crate::model::{Cause, Certainty, Errno, Operation};

/// Adds; what a hostile file counts stays at the largest number there is.
pub(super) fn add(to: &mut u64, count: u64) {
    *to = to.saturating_add(count);
}

/// What each failure is, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub cause: Cause,
    pub errno: Errno,
    pub operation: Operation,
    pub certainty: Certainty,
}

/// Counted of one cause, or of what has none.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    pub count: u64,
    pub when: When,
}

impl Sum {
    pub(super) fn add(&mut self, count: u64, when: When) {
        add(&mut self.count, count);
        self.when.cover(when);
    }
}

/// Totals.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub causes: Few<Cause, Sum>,
    pub errnos: BTreeMap<Errno, u64>,
    pub operations: Few<Operation, u64>,
    pub certainties: Few<Certainty, u64>,
    /// `failure` records.
    pub in_full: u64,
    /// Counted by `repeat` records whose failure was read.
    pub repeated: u64,
    /// Counted by `repeat` records whose failure was not.
    pub of_unknown: Sum,
    /// Counted by `loss` records.
    pub lost: Sum,
    pub losses: BTreeMap<String, u64>,
    /// At most so many are missing: no failures, see [`crate::record::Loss`].
    pub skipped: u64,
    /// Lost or of an unknown failure, with filters that can't be asked.
    pub unjudged: u64,
}

impl Counts {
    /// Counts failures of a kind.
    pub(super) fn add(&mut self, kind: Kind, count: u64, when: When) {
        self.causes.of(kind.cause).add(count, when);
        add(self.errnos.entry(kind.errno).or_default(), count);
        add(self.operations.of(kind.operation), count);
        add(self.certainties.of(kind.certainty), count);
    }

    /// Reasons are forktrace's own words and few; a strange file's go together.
    pub(super) fn lose(&mut self, reason: &str, count: u64) {
        const REASONS: usize = 16;
        let known = self.losses.len() < REASONS || self.losses.contains_key(reason);
        let reason = if known {
            super::rows::clip(reason)
        } else {
            "other"
        };
        add(self.losses.entry(reason.to_owned()).or_default(), count);
    }

    /// All failures.
    pub(super) fn failures(&self) -> u64 {
        let parts = [
            self.in_full,
            self.repeated,
            self.of_unknown.count,
            self.lost.count,
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    }
}

/// Its name in records.
pub(super) fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Process => "process",
        Operation::Thread => "thread",
        Operation::Vfork => "vfork",
        Operation::Exec => "exec",
        Operation::KernelThread => "kernel_thread",
        Operation::IoWorker => "io_worker",
        Operation::ThreadStack => "thread_stack",
    }
}

/// Its name in records.
pub(super) fn certainty(certainty: Certainty) -> &'static str {
    match certainty {
        Certainty::Observed => "observed",
        Certainty::Inferred => "inferred",
        Certainty::Unknown => "unknown",
    }
}
