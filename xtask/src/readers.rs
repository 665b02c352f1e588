//! Other tools that read recordings: the documented examples use them, and a benchmark does.

use crate::{apt, paths, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command line of DuckDB, as a Python package: Debian has none.
const DUCKDB: &str = "duckdb-cli==1.5.6";

/// Installs them where they are missing; the folder with DuckDB, jq is the machine's.
pub fn get() -> Result<PathBuf> {
    apt::require(
        &[
            apt::Package::new("jq", Path::new("/usr/bin/jq")),
            apt::Package::new("python3-venv", Path::new("/usr/share/doc/python3-venv")),
        ],
        "reading recordings with other tools",
    )?;
    let _lock = paths::lock("python")?;
    let home = paths::work("python");
    let folder = home.join("bin");
    if !folder.join("duckdb").exists() {
        run::quiet(
            Command::new("/usr/bin/python3")
                .args(["-m", "venv"])
                .arg(&home),
        )
        .context("making a Python environment")?;
        run::quiet(Command::new(folder.join("pip")).args(["install", "--quiet", DUCKDB]))
            .context("installing DuckDB's command line")?;
    }
    Ok(folder)
}
