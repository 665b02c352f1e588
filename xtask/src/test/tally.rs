//! Counts results, and reads them from the scenario runner's output.

use std::fmt;
use std::process::ExitCode;

/// What passed, failed and was skipped.
#[derive(Default)]
pub(crate) struct Tally {
    /// Cases that passed.
    pub passed: u32,
    /// Cases that failed.
    pub failed: u32,
    /// Cases that could not run here.
    pub skipped: u32,
    failures: Vec<String>,
}

impl Tally {
    /// Counts one case that is a whole step.
    pub(crate) fn step(&mut self, name: &str, result: &anyhow::Result<()>) {
        match result {
            Ok(()) => self.pass(name),
            Err(error) => self.fail(name, &format!("{error:#}")),
        }
    }

    fn pass(&mut self, name: &str) {
        println!("PASS {name}");
        self.passed += 1;
    }

    /// Counts and prints a failure.
    pub(crate) fn fail(&mut self, name: &str, why: &str) {
        println!("FAIL {name}: {why}");
        self.failed += 1;
        self.failures.push(format!("{name}: {why}"));
    }

    /// Counts and prints what could not run.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("SKIP {name}: {why}");
        self.skipped += 1;
    }

    /// Prints what it has come to; the status to end with.
    pub(crate) fn end(&self) -> ExitCode {
        println!("{self}");
        match self.failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        }
    }

    /// Adds what another one has counted and printed.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    /// Counts and prints what a scenario runner printed; `place` says where it ran. Gives the
    /// runner's own failures.
    pub(crate) fn read(&mut self, place: &str, output: &str) -> Read {
        let failed = self.failed;
        let mut closed = false;
        for line in output.lines() {
            if let Some(name) = line.strip_prefix("PASS ") {
                self.pass(&format!("{place}: {name}"));
            } else if let Some(rest) = line.strip_prefix("FAIL ") {
                let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
                self.fail(&format!("{place}: {name}"), why);
            } else if let Some(rest) = line.strip_prefix("SKIP ") {
                let (name, why) = rest.split_once(": ").unwrap_or((rest, ""));
                self.skip(&format!("{place}: {name}"), why);
            }
            closed |= closing(line).is_some();
        }
        Read {
            failed: self.failed - failed,
            closed,
        }
    }

    /// Prints all failures once more: they are far up by the end.
    pub(crate) fn print_failures(&self) {
        if !self.failures.is_empty() {
            println!("\nFailures:");
        }
        for failure in &self.failures {
            println!("  {failure}");
        }
        println!();
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
            ..
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// What [`Tally::read`] found.
pub(crate) struct Read {
    /// Failures of this runner.
    pub failed: u32,
    /// The part ran to its end: it printed its closing line.
    pub closed: bool,
}

/// The numbers of a line `N passed, N failed, N skipped`.
pub(super) fn closing(line: &str) -> Option<[u32; 3]> {
    let mut parts = line.trim().split(", ");
    let mut part = |what: &str| parts.next()?.strip_suffix(what)?.trim().parse().ok();
    Some([part("passed")?, part("failed")?, part("skipped")?])
}

#[cfg(test)]
mod tests {
    use super::{Tally, closing};

    #[test]
    fn reads_a_runner() {
        let mut tally = Tally::default();
        let text = "PASS a\nnoise\nFAIL b: x: y\nSKIP c: no root\n1 passed, 1 failed, 1 skipped\n";
        let read = tally.read("6.1 v2", text);
        assert!(read.closed && read.failed == 1);
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(tally.failures, ["6.1 v2: b: x: y"]);
    }

    #[test]
    fn knows_the_closing_line() {
        assert_eq!(closing("3 passed, 0 failed, 12 skipped"), Some([3, 0, 12]));
        assert_eq!(closing("3 passed, 0 failed"), None);
    }
}
