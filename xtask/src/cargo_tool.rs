//! Tools that are Rust programs, because neither Debian nor PyPI has them: built once, by cargo, from the
//! versions that they were locked with.

use crate::{paths, run};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// A program of a package.
pub(crate) struct Tool {
    pub package: &'static str,
    pub version: &'static str,
    pub features: &'static [&'static str],
}

/// Builds it where it is missing; the program, which is called as its package is.
pub(crate) fn get(tool: &Tool) -> Result<PathBuf> {
    let _lock = paths::lock("cargo-tools")?;
    let folder = paths::work("cargo").join(format!("{}-{}", tool.package, tool.version));
    let program = folder.join("bin").join(tool.package);
    if !program.is_file() {
        eprintln!("xtask: building {} {}", tool.package, tool.version);
        let mut cargo = run::cargo();
        cargo
            .args(["install", "--quiet", "--locked", "--debug", tool.package])
            .args(["--version", tool.version, "--no-default-features"])
            .args(["--features", &tool.features.join(",")])
            .arg("--root")
            .arg(&folder)
            .env("CARGO_TARGET_DIR", paths::work("cargo/build"));
        run::quiet(&mut cargo).with_context(|| format!("building {}", tool.package))?;
    }
    Ok(program)
}
