//! Running other programs, with errors that name the command and show what it said.

use anyhow::{Context, Result, bail};
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::thread;

/// The command as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|a| a.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs with the terminal's output; an error when it fails.
pub(crate) fn loud(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs silently; when it fails, the error holds everything it printed.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    capture(command).map(drop)
}

/// Runs silently and gives its standard output.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8_lossy(&capture_bytes(command)?).into_owned())
}

/// As [`capture`], for output that is not text.
pub(crate) fn capture_bytes(command: &mut Command) -> Result<Vec<u8>> {
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting `{}`", line(command)))?;
    if !out.status.success() {
        bail!("`{}` failed: {}\n{}", line(command), out.status, said(&out));
    }
    Ok(out.stdout)
}

/// Gives it these bytes, and gives what it prints.
pub(crate) fn through(command: &mut Command, input: &[u8]) -> Result<Vec<u8>> {
    let name = line(command);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting `{name}`"))?;
    let mut pipe = child.stdin.take().context("it has no standard input")?;
    let out = thread::scope(|scope| {
        // It may print before it has read everything.
        scope.spawn(move || pipe.write_all(input));
        child.wait_with_output()
    })
    .with_context(|| format!("waiting for `{name}`"))?;
    if !out.status.success() {
        bail!("`{name}` failed: {}\n{}", out.status, said(&out));
    }
    Ok(out.stdout)
}

fn said(out: &Output) -> String {
    let mut text = String::from_utf8_lossy(&out.stderr).into_owned();
    text.push_str(&String::from_utf8_lossy(&out.stdout));
    text.trim_end().to_owned()
}

/// Cargo as the caller would run it, in the caller's target folder.
pub(crate) fn plain_cargo() -> Command {
    let mut cargo = cargo();
    if let Some(target) = std::env::var_os("CARGO_TARGET_DIR") {
        cargo.env(
            "CARGO_TARGET_DIR",
            std::path::absolute(&target).unwrap_or(target.into()),
        );
    }
    cargo
}

/// Cargo for a nested build: without the settings that the outer cargo, rustup or the caller's
/// environment would slip in, so that two machines build alike.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    const FOREIGN: [&str; 5] = [
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_PKG_",
    ];
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if FOREIGN.iter().any(|start| text.starts_with(start)) {
            cargo.env_remove(&name);
        }
    }
    for name in [
        "RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_BOOTSTRAP",
    ] {
        cargo.env_remove(name);
    }
    // rustup's library folder is of no use to another compiler.
    cargo.env_remove("LD_LIBRARY_PATH");
    cargo.current_dir(crate::paths::root());
    cargo
}
