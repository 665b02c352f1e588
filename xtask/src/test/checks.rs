//! What is checked without running forktrace: formatting, lints, spelling.

use super::{Tally, spelling};
use crate::{paths, run};
use anyhow::Result;

/// Runs them all, so that one failure does not hide another.
pub(super) fn run(tally: &mut Tally) -> Result<()> {
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
    tally.step("spelling", &spelling::check());
    tally.step("the fuzz target's lock file", &fuzz_lock());
    Ok(())
}

/// Checks the lock file of `fuzz`, a workspace of its own, which a new dependency of forktrace leaves out of date.
fn fuzz_lock() -> Result<()> {
    run::quiet(
        run::plain_cargo()
            .current_dir(paths::root().join("fuzz"))
            .args(["metadata", "--format-version", "1", "--locked", "--quiet"]),
    )
}

fn cargo(args: &[&str]) -> Result<()> {
    run::loud(run::plain_cargo().args(args))
}
