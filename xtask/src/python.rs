//! Tools that are Python packages, because Debian has none of them: in an environment of their own.

use crate::{apt, paths, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of a package.
pub(crate) struct Tool {
    /// As pip takes it, with its version.
    pub package: &'static str,
    pub program: &'static str,
}

/// Installs a package of modules where it is missing; the Python that has it.
///
/// # Errors
///
/// As of [`get`].
pub(crate) fn library(package: &str, module: &str) -> Result<PathBuf> {
    let _lock = paths::lock("python")?;
    let folder = environment(package)?;
    let python = folder.join("python3");
    let import = format!("import {module}");
    if run::quiet(Command::new(&python).args(["-c", &import])).is_err() {
        install(&folder, package)?;
    }
    Ok(python)
}

/// Installs it where it is missing; the folder that has it.
///
/// # Errors
///
/// Python can't make an environment, or the package can't be had.
pub(crate) fn get(tool: &Tool) -> Result<PathBuf> {
    let _lock = paths::lock("python")?;
    let folder = environment(tool.package)?;
    if !folder.join(tool.program).exists() {
        install(&folder, tool.package)?;
    }
    Ok(folder)
}

/// Python with a package, as pip takes it, with its version: installed where it is missing.
///
/// # Errors
///
/// As of [`get`].
pub(crate) fn with(package: &str) -> Result<PathBuf> {
    let _lock = paths::lock("python")?;
    let folder = environment(package)?;
    let (name, version) = package.split_once("==").unwrap_or((package, ""));
    let python = folder.join("python");
    let mut asked = Command::new(&python);
    asked.args([
        "-c",
        &format!("from importlib import metadata; print(metadata.version('{name}'))"),
    ]);
    // What isn't there is an error of Python's.
    let there = run::capture(&mut asked).unwrap_or_default();
    if there.trim() != version {
        install(&folder, package)?;
    }
    Ok(python)
}

/// pip, for who installs elsewhere than into the environment.
///
/// # Errors
///
/// As of [`get`].
pub(crate) fn pip(purpose: &str) -> Result<Command> {
    let _lock = paths::lock("python")?;
    Ok(pip_of(&environment(purpose)?))
}

/// The folder with the environment's programs.
fn environment(purpose: &str) -> Result<PathBuf> {
    apt::require(
        &[apt::Package::new(
            "python3-venv",
            Path::new("/usr/share/doc/python3-venv"),
        )],
        purpose,
    )?;
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
    Ok(folder)
}

fn install(folder: &Path, package: &str) -> Result<()> {
    run::quiet(pip_of(folder).args(["install", "--quiet", package]))
        .with_context(|| format!("installing {package}"))
}

fn pip_of(folder: &Path) -> Command {
    // The script `pip` holds the path at which the environment was made: a copy's would install there.
    let mut pip = Command::new(folder.join("python"));
    pip.args(["-m", "pip"]);
    pip
}
