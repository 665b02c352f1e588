//! `cargo test`, counted test by test.

use super::{Tally, Tier, tally::closing};
use crate::{linter, run};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Runs the unit tests of everything but the BPF crate, which builds for no host.
pub(super) fn run(tier: Tier, tally: &mut Tally) -> Result<()> {
    let all = ["--workspace", "--exclude", "forktrace-ebpf"];
    count(&mut tier.cargo_test(&all)?, tally)?;
    if tier == Tier::Short {
        count(&mut of_xtask(), tally)?;
    }
    Ok(())
}

/// xtask's own, whose libraries are those that `cargo xtask` was built with.
pub(super) fn of_xtask() -> Command {
    let mut cargo = run::plain_cargo();
    linter::compile(cargo.args(["test", "--quiet", "--package", "xtask"]));
    cargo
}

fn count(cargo: &mut Command, tally: &mut Tally) -> Result<()> {
    cargo.arg("--no-fail-fast").stdout(Stdio::piped());
    let mut child = cargo
        .spawn()
        .with_context(|| format!("starting `{}`", run::line(cargo)))?;
    let Some(out) = child.stdout.take() else {
        bail!("cargo test has no output")
    };
    let mut failed = 0;
    for line in BufReader::new(out).lines() {
        let line = line?;
        println!("{line}");
        if let Some([passed, lost, ignored]) = result(&line) {
            tally.passed += passed;
            tally.skipped += ignored;
            failed += lost;
        } else if let Some([passed, lost, skipped]) = closing(&line) {
            // A test without cargo's harness, of the scenarios' kind.
            tally.passed += passed;
            tally.skipped += skipped;
            failed += lost;
        }
    }
    let status = child.wait()?;
    if failed > 0 {
        tally.fail("unit tests", &format!("{failed} failed"));
        tally.failed += failed - 1;
    } else if !status.success() {
        tally.fail("unit tests", &format!("cargo test: {status}"));
    }
    Ok(())
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; …`.
fn result(line: &str) -> Option<[u32; 3]> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = counts.split("; ");
    let mut part = |what: &str| parts.next()?.strip_suffix(what)?.trim().parse().ok();
    Some([part("passed")?, part("failed")?, part("ignored")?])
}

#[cfg(test)]
mod tests {
    use super::result;

    #[test]
    fn reads_cargos_result() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out";
        assert_eq!(result(line), Some([5, 2, 1]));
        assert_eq!(result("running 3 tests"), None);
    }
}
