//! The spelling of sources and documents, by typos(1) with what `typos.toml` adds.

use crate::{
    paths,
    python::{self, Tool},
    run,
};
use anyhow::Result;
use std::process::Command;

const TYPOS: Tool = Tool {
    package: "typos==1.52.0",
    program: "typos",
};

/// Fails with each word that is misspelled, and where.
pub(super) fn check() -> Result<()> {
    let folder = python::get(&TYPOS)?;
    run::quiet(
        Command::new(folder.join(TYPOS.program))
            .current_dir(paths::root())
            .args(["--format", "brief"]),
    )
}
