//! The files that a change touches, by git.

use crate::{paths, run};
use anyhow::{Result, bail};
use std::process::Command;

/// Where changes go, in the order in which these are looked for.
const MAIN: [&str; 3] = ["upstream/main", "origin/main", "main"];

/// What differs between the work tree and where the change began: the last commit that main has as
/// well, or, on main itself, the commit before the last.
pub(super) fn files() -> Result<Vec<String>> {
    let head = git(&["rev-parse", "HEAD"])?;
    let mut bases = MAIN
        .iter()
        .filter_map(|main| git(&["merge-base", "HEAD", main]).ok());
    let base = match bases.next() {
        Some(base) if base != head => base,
        Some(_) => git(&["rev-parse", "HEAD~1"])?,
        None => bail!("none of {} is a branch here", MAIN.join(", ")),
    };
    let mut files = git(&["diff", "--name-only", &base])?;
    files.push('\n');
    files += &git(&["ls-files", "--others", "--exclude-standard"])?;
    Ok(files
        .lines()
        .map(str::to_owned)
        .filter(|f| !f.is_empty())
        .collect())
}

fn git(words: &[&str]) -> Result<String> {
    let out = run::capture(Command::new("git").current_dir(paths::root()).args(words))?;
    Ok(out.trim().to_owned())
}
