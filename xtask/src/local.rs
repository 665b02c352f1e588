//! forktrace for this machine, optimised as what is published.

use crate::{arch::Arch, guest::Programs, paths, run};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Builds it: where it is.
pub(crate) fn forktrace() -> Result<PathBuf> {
    let work = paths::work("");
    let target = work.parent().context("the target folder")?;
    let mut cargo = run::cargo();
    cargo
        .args(["build", "--quiet", "--profile", "dist"])
        .args(["--package", "forktrace"])
        .env("CARGO_TARGET_DIR", target);
    run::loud(&mut cargo).context("building forktrace")?;
    Ok(target.join("dist/forktrace"))
}

/// Arguments of commands that try a static forktrace.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Use this static forktrace instead of building one
    #[arg(long, value_name = "FILE")]
    forktrace: Option<PathBuf>,
}

impl Args {
    /// Where it is; built where none is given.
    pub(crate) fn forktrace(&self) -> Result<PathBuf> {
        // No scenarios are wanted.
        let programs = Programs::get(Arch::HERE, self.forktrace.clone(), Some("/bin/true".into()))?;
        Ok(programs.forktrace)
    }
}
