//! The two programs that go into a test machine, linked statically: it has no libraries.

use crate::arch::TRIPLE;
use crate::{paths, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// With an explicit --target the flags reach the programs and not the proc macros.
/// Without packing, the addresses that a static program corrects at its start take 170 KB of it; glibc
/// 2.36 is the first that corrects packed ones.
pub(crate) const PROGRAM_FLAGS: [&str; 2] = [
    "-Ctarget-feature=+crt-static",
    "-Clink-arg=-Wl,-z,pack-relative-relocs",
];

/// What a short run builds by the profile `guest`: all but what builds for no host, and this program,
/// which is there already.
pub(crate) const SHORT: [&str; 5] = [
    "--workspace",
    "--exclude",
    "forktrace-ebpf",
    "--exclude",
    "xtask",
];

/// Static programs.
#[derive(Clone)]
pub(crate) struct Programs {
    /// The tracer.
    pub forktrace: PathBuf,
    /// The test runner, which is also the guest's init.
    pub scenarios: PathBuf,
}

impl Programs {
    /// Builds what is not given, as it ships.
    pub(crate) fn get(forktrace: Option<PathBuf>, scenarios: Option<PathBuf>) -> Result<Self> {
        let target = paths::work_dir("static")?;
        let mut packages = Vec::new();
        if forktrace.is_none() {
            packages.extend(["--package", "forktrace"]);
        }
        if scenarios.is_none() {
            packages.extend(["--package", "scenarios"]);
        }
        if !packages.is_empty() {
            let mut cargo = cargo(&target);
            cargo.args(["build", "--quiet", "--release", "--target", TRIPLE]);
            run::loud(cargo.args(packages))
                .context("building the static programs for the test machine")?;
        }
        let built = target.join(TRIPLE).join("release");
        let programs = Self {
            forktrace: forktrace.unwrap_or_else(|| built.join("forktrace")),
            scenarios: scenarios.unwrap_or_else(|| built.join("scenarios")),
        };
        programs.there()
    }

    /// Programs of a short test run, by the profile `guest`. The unit tests are built with them: only
    /// so do both have the same features of the dependencies, which are compiled once then.
    pub(crate) fn short() -> Result<Self> {
        let mut cargo = short_cargo("build")?;
        cargo.args(SHORT).args(["--lib", "--bins", "--tests"]);
        run::loud(&mut cargo).context("building the programs and the unit tests")?;
        let built = short_folder()?.join(TRIPLE).join("guest");
        let programs = Self {
            forktrace: built.join("forktrace"),
            scenarios: built.join("scenarios"),
        };
        programs.there()
    }

    fn there(self) -> Result<Self> {
        for program in [&self.forktrace, &self.scenarios] {
            if !program.is_file() {
                bail!("{}: no such file", program.display());
            }
        }
        Ok(self)
    }
}

/// Cargo with what all of a short run's builds have in common, so that nothing is built twice.
pub(crate) fn short_cargo(command: &str) -> Result<Command> {
    let mut cargo = cargo(&short_folder()?);
    cargo.args([command, "--quiet", "--profile", "guest", "--target", TRIPLE]);
    Ok(cargo)
}

fn short_folder() -> Result<PathBuf> {
    paths::work_dir("guest")
}

fn cargo(target: &Path) -> Command {
    let mut cargo = run::cargo();
    cargo
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", PROGRAM_FLAGS.join("\x1f"));
    cargo
}
