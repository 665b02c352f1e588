//! What the parts of a run that go side by side share: results and times.

use super::{Matrix, Tally, Times};
use anyhow::Result;
use std::sync::{Mutex, PoisonError};

/// Results and times of a run.
pub(super) struct Shared<'a> {
    pub results: Mutex<(&'a mut Tally, &'a mut Matrix)>,
    pub times: &'a Times,
}

impl Shared<'_> {
    /// Counts one case that is a whole step.
    pub(super) fn step(&self, name: &str, result: &Result<()>) {
        self.tally(|tally| tally.step(name, result));
    }

    /// Counts what could not run.
    pub(super) fn skip(&self, name: &str, why: &str) {
        self.tally(|tally| tally.skip(name, why));
    }

    /// Adds what a part has counted by itself.
    pub(super) fn add(&self, part: Tally) {
        self.tally(|tally| tally.add(part));
    }

    fn tally(&self, count: impl FnOnce(&mut Tally)) {
        // A panic elsewhere leaves whole cases; it ends the run through its scope.
        let mut results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        count(results.0);
    }
}
