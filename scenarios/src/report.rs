//! The lines that the tests print.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Error, Result};
use forktrace::cause::Cause;
use forktrace::record::Certainty;

use crate::expect::{Seen, Verdict};
use crate::scenario::Skip;

/// Counts cases and collects the matrix.
#[derive(Default)]
pub(crate) struct Report {
    passed: u32,
    failed: u32,
    skipped: u32,
    matrix: BTreeMap<(Cause, String), (BTreeSet<&'static str>, Verdict)>,
}

impl Report {
    pub(crate) fn pass(&mut self, name: &str) {
        self.passed += 1;
        println!("PASS {name}");
    }

    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        self.failed += 1;
        println!("FAIL {name}: {}", one_line(why));
    }

    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("SKIP {name}: {}", one_line(why));
    }

    /// More about the case above.
    pub(crate) fn detail(&self, text: &str) {
        println!("    {}", one_line(text));
    }

    /// How long a scenario or a behaviour took, where that is long: `cargo xtask test` lists the
    /// slowest ones, and the whole run has a limit.
    pub(crate) fn took(&self, name: &str, time: Duration) {
        if time >= Duration::from_secs(1) {
            println!("TOOK {:.1} {name}", time.as_secs_f64());
        }
    }

    /// How long forktrace took to start.
    pub(crate) fn started(&self, session: &str, time: Duration) {
        println!("STARTED {:.1} {session}", time.as_secs_f64());
    }

    /// The case passed unless there is an error, of which a [`Skip`] is none.
    pub(crate) fn case(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => self.pass(name),
            Err(error) => self.error(name, &error),
        }
    }

    pub(crate) fn error(&mut self, name: &str, error: &Error) {
        match error.downcast_ref::<Skip>() {
            Some(skip) => self.skip(name, &skip.0),
            None => self.fail(name, &format!("{error:#}")),
        }
    }

    /// Adds what a record said.
    pub(crate) fn seen(&mut self, style: &str, seen: &Seen) {
        let certainty = match seen.certainty {
            Certainty::Observed => "observed",
            Certainty::Inferred => "inferred",
            Certainty::Unknown => "unknown",
        };
        let entry = self
            .matrix
            .entry((seen.cause, style.to_owned()))
            .or_insert_with(|| (BTreeSet::new(), Verdict::Right));
        entry.0.insert(certainty);
        entry.1 = entry.1.max(seen.verdict);
    }

    /// Prints the matrix and the counts; true when nothing failed.
    pub(crate) fn end(&self) -> bool {
        for ((cause, style), (certainties, verdict)) in &self.matrix {
            let certainty: Vec<_> = certainties.iter().copied().collect();
            println!(
                "MATRIX\t{}\t{style}\t{}\t{}",
                cause_id(*cause),
                certainty.join("/"),
                verdict.name()
            );
        }
        println!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        );
        self.failed == 0
    }
}

/// A cause's id.
pub(crate) fn cause_id(cause: Cause) -> String {
    match serde_json::to_value(cause) {
        Ok(serde_json::Value::String(id)) => id,
        _ => format!("{cause:?}"),
    }
}

/// Nothing that a line or a terminal would act on.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
