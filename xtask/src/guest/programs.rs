//! The two programs that go into a test machine, linked statically: it has no libraries.

use super::cross;
use crate::arch::Arch;
use crate::{linter, paths, run};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// With an explicit --target the flags reach the programs and not the proc macros.
pub(crate) fn program_flags(arch: Arch) -> Vec<String> {
    let link = arch.facts().link_args.iter().copied();
    let flags = std::iter::once("-Ctarget-feature=+crt-static").chain(link);
    flags.map(str::to_owned).collect()
}

/// The same of what is published, and what a full run tests: small, as it is copied to hosts in trouble.
///
/// The linker's script stands from the workspace's root, where cargo has members compiled: with the whole path,
/// what is built in another folder would have other hashes.
pub(crate) fn published_flags(arch: Arch) -> Vec<String> {
    const SMALL: [&str; 4] = [
        // GNU's linker, which leaves out the tables of some objects and not of others. Rust's own leaves out all or
        // none.
        "-Clink-arg=-fuse-ld=bfd",
        "-Clink-arg=-Wl,-T,xtask/src/guest/without_unwinding.ld",
        // What the standard library hints at, an optimised program takes in by hundreds of bytes a call: 0.9 MB, for
        // a tenth more instructions in a report.
        "-Cllvm-args=-inline-threshold=5",
        "-Cllvm-args=-inlinehint-threshold=15",
    ];
    let small = SMALL.iter().map(|flag| (*flag).to_owned());
    program_flags(arch).into_iter().chain(small).collect()
}

/// What the C in it is compiled with: of zstd nothing for levels beyond those that recordings are written at,
/// which take its two fastest ways.
pub(crate) const C_FLAGS: [&str; 6] = [
    "-DZSTD_EXCLUDE_GREEDY_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_LAZY_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_LAZY2_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTLAZY2_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTOPT_BLOCK_COMPRESSOR",
    "-DZSTD_EXCLUDE_BTULTRA_BLOCK_COMPRESSOR",
];

/// What a short run builds by the profile `guest`: all but what builds for no host, this program, which is
/// there already, and what takes a minute of Arrow.
pub(crate) const SHORT: [&str; 7] = [
    "--workspace",
    "--exclude",
    "forktrace-ebpf",
    "--exclude",
    "xtask",
    "--exclude",
    "forktrace-convert",
];

/// Static programs.
#[derive(Clone)]
pub(crate) struct Programs {
    /// The machine that they are for.
    pub arch: Arch,
    /// The tracer.
    pub forktrace: PathBuf,
    /// The test runner, which is also the guest's init.
    pub scenarios: PathBuf,
}

impl Programs {
    /// Builds what is not given, as it ships.
    pub(crate) fn get(
        arch: Arch,
        forktrace: Option<PathBuf>,
        scenarios: Option<PathBuf>,
    ) -> Result<Self> {
        let target = folder(arch, "static")?;
        let triple = arch.facts().triple;
        let mut packages = Vec::new();
        if forktrace.is_none() {
            packages.extend(["--package", "forktrace"]);
        }
        if scenarios.is_none() {
            packages.extend(["--package", "scenarios"]);
        }
        if !packages.is_empty() {
            let mut cargo = cargo(arch, &target, &published_flags(arch))?;
            cargo.args(["build", "--quiet", "--profile", "dist", "--target", triple]);
            run::loud(cargo.args(packages))
                .context("building the static programs for the test machine")?;
        }
        let built = target.join(triple).join("dist");
        let programs = Self {
            arch,
            forktrace: forktrace.unwrap_or_else(|| built.join("forktrace")),
            scenarios: scenarios.unwrap_or_else(|| built.join("scenarios")),
        };
        programs.there()
    }

    /// Programs of a short test run, by the profile `guest`. The unit tests are built with them: only
    /// so do both have the same features of the dependencies, which are compiled once then.
    pub(crate) fn short() -> Result<Self> {
        linter::there()?;
        run::loud(&mut short_build()?).context("building the programs and the unit tests")?;
        Self::of_guest(Arch::HERE)
    }

    /// Programs of a short run on another machine, without the unit tests.
    pub(crate) fn short_elsewhere(arch: Arch) -> Result<Self> {
        let mut cargo = guest_cargo("build", arch)?;
        cargo.args(["--package", "forktrace", "--package", "scenarios"]);
        run::loud(&mut cargo).with_context(|| format!("building for {}", arch.facts().name))?;
        Self::of_guest(arch)
    }

    fn of_guest(arch: Arch) -> Result<Self> {
        let built = folder(arch, "guest")?
            .join(arch.facts().triple)
            .join("guest");
        let programs = Self {
            arch,
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

/// Builds the programs and the unit tests of a short run, and lints them.
pub(crate) fn short_build() -> Result<Command> {
    let mut cargo = short_cargo("build")?;
    cargo.args(SHORT).args(["--lib", "--bins", "--tests"]);
    Ok(cargo)
}

/// Cargo with what all of a short run's builds have in common, so that nothing is built twice.
pub(crate) fn short_cargo(command: &str) -> Result<Command> {
    let mut cargo = guest_cargo(command, Arch::HERE)?;
    linter::compile(&mut cargo);
    Ok(cargo)
}

fn guest_cargo(command: &str, arch: Arch) -> Result<Command> {
    let mut cargo = cargo(arch, &folder(arch, "guest")?, &program_flags(arch))?;
    let triple = arch.facts().triple;
    cargo.args([command, "--quiet", "--profile", "guest", "--target", triple]);
    Ok(cargo)
}

/// Where it is built: what cross compilers build has nothing in common with the rest.
fn folder(arch: Arch, name: &str) -> Result<PathBuf> {
    paths::work_dir(if arch.is_here() { name } else { "cross" })
}

fn cargo(arch: Arch, target: &Path, flags: &[String]) -> Result<Command> {
    let mut cargo = run::cargo();
    if !arch.is_here() {
        cross::compilers(arch, &mut cargo)?;
    }
    cargo
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CFLAGS", C_FLAGS.join(" "));
    Ok(cargo)
}
