//! Other tools that read recordings: the documented examples use them, and a benchmark does.

use crate::{
    apt,
    python::{self, Tool},
};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// The command line of DuckDB.
const DUCKDB: Tool = Tool {
    package: "duckdb-cli==1.5.6",
    program: "duckdb",
};

/// Installs them where they are missing; the folder with DuckDB, jq is the machine's.
pub(crate) fn get() -> Result<PathBuf> {
    apt::require(
        &[apt::Package::new("jq", Path::new("/usr/bin/jq"))],
        "reading recordings with other tools",
    )?;
    python::get(&DUCKDB)
}
