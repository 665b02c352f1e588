//! Debian packages of the machine itself: installed where that is possible, named where not.

use crate::run;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A Debian package, and a file that proves that it is there.
pub(crate) struct Package<'a> {
    /// The package's name.
    pub name: &'a str,
    /// A file that only this package brings.
    pub file: &'a Path,
}

impl<'a> Package<'a> {
    /// A package and the file that proves it.
    pub(crate) fn new(name: &'a str, file: &'a Path) -> Self {
        Self { name, file }
    }
}

/// Whether this process can install packages: root, on a machine with apt.
pub(crate) fn can_install() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    root && find("apt-get").is_some()
}

/// Installs those of `packages` that are missing.
pub(crate) fn require(packages: &[Package<'_>], purpose: &str) -> Result<()> {
    /// Parts of a test run that go side by side need packages each, and apt serves one at a time.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let missing: Vec<&str> = packages
        .iter()
        .filter(|p| !p.file.exists())
        .map(|p| p.name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if find("apt-get").is_none() {
        bail!(
            "{purpose} needs these Debian packages, and this machine has no apt-get: {names}. \
             Run xtask as root on Debian 12 (a container will do)"
        );
    }
    if !can_install() {
        bail!(
            "{purpose} needs packages that are not installed, and installing them takes root. Run \
             as root: apt-get update && apt-get install -y --no-install-recommends {names}"
        );
    }
    eprintln!("xtask: apt-get install {names}");
    // A fresh machine has no package lists, an old one stale lists: refresh only when it matters.
    if let Err(first) = install(&missing) {
        eprintln!("xtask: apt-get update, because the packages could not be installed at once");
        run::quiet(Command::new("apt-get").args(["-qq", "-o", "Acquire::Retries=3", "update"]))
            .map_err(|update| {
                update.context(format!("apt-get install failed before: {first:#}"))
            })?;
        install(&missing)?;
    }
    for package in packages {
        if !package.file.exists() {
            bail!(
                "package {} is installed, but {} is not there: is this Debian 12?",
                package.name,
                package.file.display()
            );
        }
    }
    Ok(())
}

fn install(names: &[&str]) -> Result<()> {
    run::quiet(
        Command::new("apt-get")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-qq", "-y", "--no-install-recommends"])
            .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"])
            .arg("install")
            .args(names),
    )
}

/// The program's path, searched on PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}
