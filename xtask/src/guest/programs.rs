//! The two programs that go into a test machine, linked statically: it has no libraries.

use crate::{paths, run};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Static programs.
#[derive(Clone)]
pub struct Programs {
    /// The tracer.
    pub forktrace: PathBuf,
    /// The test runner, which is also the guest's init.
    pub scenarios: PathBuf,
}

impl Programs {
    /// Builds what is not given.
    pub fn get(forktrace: Option<PathBuf>, scenarios: Option<PathBuf>) -> Result<Self> {
        let target = paths::work_dir("static")?;
        let built = target.join(TARGET).join("release");
        let mut packages = Vec::new();
        if forktrace.is_none() {
            packages.extend(["--package", "forktrace"]);
        }
        if scenarios.is_none() {
            packages.extend(["--package", "scenarios"]);
        }
        if !packages.is_empty() {
            build(&target, &packages)?;
        }
        let programs = Self {
            forktrace: forktrace.unwrap_or_else(|| built.join("forktrace")),
            scenarios: scenarios.unwrap_or_else(|| built.join("scenarios")),
        };
        for program in [&programs.forktrace, &programs.scenarios] {
            if !program.is_file() {
                bail!("{}: no such file", program.display());
            }
        }
        Ok(programs)
    }
}

fn build(target: &std::path::Path, packages: &[&str]) -> Result<()> {
    run::loud(
        run::cargo()
            .env("CARGO_TARGET_DIR", target)
            // With an explicit --target the flags reach the programs and not the proc macros.
            .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
            .args(["build", "--quiet", "--release", "--target", TARGET])
            .args(packages),
    )
    .context("building the static programs for the test machine")
}
