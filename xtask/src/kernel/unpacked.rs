//! Packages of another machine, of which the files are wanted and nothing is installed.

use super::FRESH;
use super::archive::Archive;
use super::resolve::Package;
use crate::arch::Arch;
use crate::{paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// The folder with the files of a package, of this version or of the newest.
pub(crate) fn unpacked(arch: Arch, name: &str, version: Option<&str>) -> Result<PathBuf> {
    let debian = arch.facts().debian;
    let _lock = paths::lock(&format!("packages-{debian}"))?;
    let kept = version.map_or_else(String::new, |version| format!("-{version}"));
    let folder = paths::work(&format!("tools/{debian}/{name}{kept}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let mut archive = Archive::open(arch, FRESH)?;
    let (deb, package) = match download(&archive, name, version) {
        Ok(found) => found,
        Err(_) if archive.update()? => download(&archive, name, version)?,
        Err(error) => return Err(error),
    };
    // Whole or not at all.
    let partial = folder.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial)?;
    run::quiet(
        Command::new("dpkg-deb")
            .arg("--extract")
            .arg(&deb)
            .arg(&partial),
    )
    .with_context(|| format!("unpacking {} {}", package.name, package.version))?;
    fs::remove_file(&deb)?;
    fs::rename(&partial, &folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

fn download(archive: &Archive, name: &str, version: Option<&str>) -> Result<(PathBuf, Package)> {
    let package = super::resolve::named(archive, name, version)?;
    Ok((archive.download(&package)?, package))
}
