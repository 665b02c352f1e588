//! Clippy as the compiler of the workspace: what is built that way is linted by the same compilation.

use crate::run;
use anyhow::{Context, Result, bail};
use std::process::{Command, Stdio};

/// What cargo calls in place of rustc, for the workspace's own crates alone.
const DRIVER: &str = "clippy-driver";

/// Lets this cargo lint what it compiles. Its programs are kept apart from those of a plain one; the
/// libraries that they depend on are shared.
pub(crate) fn compile(cargo: &mut Command) -> &mut Command {
    cargo.env("RUSTC_WORKSPACE_WRAPPER", DRIVER)
}

/// An error where there is none.
pub(crate) fn there() -> Result<()> {
    run::quiet(Command::new(DRIVER).arg("--version"))
        .context("the lints need clippy (`rustup component add clippy`)")
}

/// Fails when a quiet build warns. Cargo keeps what the compiler has said, and says it again of what it
/// need not build.
pub(crate) fn no_warnings(cargo: &mut Command) -> Result<()> {
    let name = run::line(cargo);
    let out = cargo
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{name}`"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    if !out.status.success() || !said.trim().is_empty() {
        bail!("`{name}`: {}\n{}", out.status, said.trim_end());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::no_warnings;
    use std::process::Command;

    #[test]
    fn a_warning_is_a_failure() {
        let build = |script: &str| no_warnings(Command::new("sh").args(["-c", script]));
        build("true").unwrap();
        let error = build("echo 'warning: unused' >&2").unwrap_err().to_string();
        assert!(error.contains("warning: unused"), "{error}");
        build("exit 101").unwrap_err();
    }
}
