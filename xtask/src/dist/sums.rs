//! SHA256SUMS: what `sha256sum --check` reads.

use super::put;
use crate::object::sha256;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Its name.
pub(super) const FILE: &str = "SHA256SUMS";

/// Sums up what is in the folder, by name.
pub(super) fn write(out: &Path) -> Result<()> {
    let lines = of(out)?;
    let lines = lines.iter().map(|(name, sum)| format!("{sum}  {name}\n"));
    put(out, FILE, lines.collect::<String>().as_bytes())
}

/// The file's content.
pub(super) fn read(out: &Path) -> Result<String> {
    let path = out.join(FILE);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// Names and sums of all files but this one.
pub(super) fn of(out: &Path) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != FILE {
            all.push((name, sha256(&fs::read(entry.path())?)));
        }
    }
    all.sort();
    Ok(all)
}
