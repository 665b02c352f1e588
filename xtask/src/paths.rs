//! Where things are: the repository, and the folder under `target` that belongs to xtask.

use anyhow::{Context, Result};
use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`, so a moved tree is found even by a stale binary.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A path under `target/xtask`, not created.
pub(crate) fn work(sub: &str) -> PathBuf {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    std::path::absolute(&target)
        .unwrap_or(target)
        .join("xtask")
        .join(sub)
}

/// A folder under `target/xtask`, created where missing.
pub(crate) fn work_dir(sub: &str) -> Result<PathBuf> {
    let path = work(sub);
    fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
    Ok(path)
}

/// Keeps two xtasks from setting the same thing up at once; held until dropped.
pub(crate) fn lock(what: &str) -> Result<File> {
    let path = work_dir("")?.join(format!("{what}.lock"));
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    if file.try_lock().is_err() {
        eprintln!("xtask: waiting for another xtask to set up the {what}");
        file.lock()
            .with_context(|| format!("locking {}", path.display()))?;
    }
    Ok(file)
}
