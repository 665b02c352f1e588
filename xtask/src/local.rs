//! forktrace for this machine, optimised as what is published.

use crate::{paths, run};
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
