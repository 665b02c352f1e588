//! The documents as a site, by mdBook: what stands in docs/, and pages of the repository's root. It
//! loads nothing from elsewhere.

use super::{product::FORKTRACE, put, release::Release, tarball};
use crate::{
    cargo_tool::{self, Tool},
    paths, run,
};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

const MDBOOK: Tool = Tool {
    package: "mdbook",
    version: "0.5.4",
    features: &["search"],
};

/// Builds it, and writes its archive.
pub(super) fn write(release: &Release, out: &Path) -> Result<()> {
    let folder = build(release)?;
    let name = format!("{}-docs", release.name(&FORKTRACE));
    let mut files = Vec::new();
    collect(&folder, &folder, &mut files)?;
    let entries = files.iter();
    let entries = entries.map(|(path, bytes)| (format!("{name}/{path}"), 0o644, &bytes[..]));
    let bytes = tarball::zstd(&tarball::tar(entries.collect(), release.time)?)?;
    put(out, &format!("{name}.tar.zst"), &bytes)
}

/// The folder with the site.
fn build(release: &Release) -> Result<PathBuf> {
    let mdbook = cargo_tool::get(&MDBOOK)?;
    let folder = paths::work("dist/site");
    let _ = fs::remove_dir_all(&folder);
    let mut command = release.command(mdbook);
    command
        .arg("build")
        .arg(release.root.join("docs"))
        .arg("--dest-dir")
        .arg(&folder);
    run::quiet(&mut command).context("making the site")?;
    Ok(folder)
}

fn collect(top: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(top, &path, files)?;
        } else {
            let name = path.strip_prefix(top)?.to_string_lossy().into_owned();
            files.push((name, fs::read(&path)?));
        }
    }
    Ok(())
}
