//! Tools that are Python packages, because Debian has none of them: in an environment of their own.

use crate::{apt, paths, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of a package.
pub struct Tool {
    /// As pip takes it, with its version.
    pub package: &'static str,
    pub program: &'static str,
}

/// Installs it where it is missing; the folder that has it.
///
/// # Errors
///
/// Python can't make an environment, or the package can't be had.
pub fn get(tool: &Tool) -> Result<PathBuf> {
    apt::require(
        &[apt::Package::new(
            "python3-venv",
            Path::new("/usr/share/doc/python3-venv"),
        )],
        tool.package,
    )?;
    let _lock = paths::lock("python")?;
    let home = paths::work("python");
    let folder = home.join("bin");
    if !folder.join("pip").exists() {
        run::quiet(
            Command::new("/usr/bin/python3")
                .args(["-m", "venv"])
                .arg(&home),
        )
        .context("making a Python environment")?;
    }
    if !folder.join(tool.program).exists() {
        run::quiet(Command::new(folder.join("pip")).args(["install", "--quiet", tool.package]))
            .with_context(|| format!("installing {}", tool.package))?;
    }
    Ok(folder)
}
