//! What is checked without running forktrace: the committed object, formatting, lints.

use super::Tally;
use crate::{object, run};
use anyhow::Result;

/// Runs them all, so that one failure does not hide another.
pub fn run(tally: &mut Tally) -> Result<()> {
    tally.step("bpf object", &object::check());
    tally.step("formatting", &cargo(&["fmt", "--all", "--check"]));
    tally.step(
        "lints",
        &cargo(&[
            "clippy",
            "--quiet",
            "--workspace",
            "--exclude",
            "forktrace-ebpf",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]),
    );
    Ok(())
}

fn cargo(args: &[&str]) -> Result<()> {
    run::loud(run::plain_cargo().args(args))
}
