//! What is checked without running forktrace: formatting, lints, spelling.

use super::{Tally, Tier, spelling, units};
use crate::{guest, linter, paths, run};
use anyhow::Result;

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
    match tier {
        // The programs, the unit tests and xtask's own are compiled by the linter. Without what takes a
        // minute of Arrow.
        Tier::Short => {
            linter::no_warnings(&mut guest::short_build()?)?;
            linter::no_warnings(units::of_xtask().arg("--no-run"))?;
            linter::no_warnings(run::plain_cargo().args(["build", "--quiet", "--package", "xtask"]))
        }
        Tier::Full => {
            let mut cargo = run::plain_cargo();
            cargo.args(["clippy", "--quiet", "--workspace"]);
            cargo.args(["--exclude", "forktrace-ebpf", "--all-targets"]);
            run::loud(cargo.args(["--", "-D", "warnings"]))
        }
    }
}
