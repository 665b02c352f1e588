//! What is checked without running forktrace: formatting, lints, spelling.

use super::{Tally, Tier, spelling};
use crate::{guest, paths, run};
use anyhow::Result;
use std::process::Command;

/// Runs them all, so that one failure does not hide another.
pub(super) fn run(tier: Tier, tally: &mut Tally) -> Result<()> {
    let format = run::loud(run::plain_cargo().args(["fmt", "--all", "--check"]));
    tally.step("formatting", &format);
    tally.step("lints", &lints(tier));
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

fn lints(tier: Tier) -> Result<()> {
    let mut cargo = clippy(tier)?;
    cargo.args(["--workspace", "--exclude", "forktrace-ebpf"]);
    if tier == Tier::Short {
        // Arrow takes a minute to compile.
        cargo.args(["--exclude", "forktrace-convert"]);
    }
    run::loud(cargo.args(["--all-targets", "--", "-D", "warnings"]))
}

/// A short run's is of the programs' profile: macros, build scripts and the C of libraries are there already.
fn clippy(tier: Tier) -> Result<Command> {
    match tier {
        Tier::Short => guest::short_cargo("clippy"),
        Tier::Full => {
            let mut cargo = run::plain_cargo();
            cargo.args(["clippy", "--quiet"]);
            Ok(cargo)
        }
    }
}
