//! docs/test-matrix.md and docs/support.md: what the last full run came to.

use super::{Matrix, Tally, Times};
use crate::{paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

const MATRIX: &str = "docs/test-matrix.md";
const SUPPORT: &str = "docs/support.md";
/// What stands below is a run's, what stands above stays.
const MARK: &str = "<!-- below: written by cargo xtask test --full -->\n";

/// Writes them, to be committed.
pub(super) fn write(tally: &Tally, times: &Times, matrix: &Matrix) -> Result<()> {
    let of = |words: &[&str]| {
        let git = Command::new("git")
            .current_dir(paths::root())
            .args(words)
            .output();
        git.map_or(String::new(), |out| {
            String::from_utf8_lossy(&out.stdout).trim().to_owned()
        })
    };
    let changed = match of(&["status", "--porcelain"]).is_empty() {
        true => "",
        false => ", with changes that are not committed",
    };
    let date = run::capture(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let run = format!(
        "{}, commit {}{changed}: {tally}, in {:.0} minutes.",
        date.trim(),
        of(&["rev-parse", "--short=12", "HEAD"]),
        times.so_far().as_secs_f64() / 60.0,
    );
    below(
        MATRIX,
        &format!("## Last full run\n\n{run}\n\n{}", matrix.markdown()),
    )?;
    let machine = crate::arch::Arch::HERE.facts().name;
    below(
        SUPPORT,
        &format!("## Run\n\n{machine}; {run}\n\n{}", matrix.support()),
    )
}

/// Replaces what stands below the mark.
fn below(file: &str, text: &str) -> Result<()> {
    let path = paths::root().join(file);
    let old = fs::read_to_string(&path).with_context(|| format!("reading {file}"))?;
    let (above, _) = old
        .split_once(MARK)
        .with_context(|| format!("{file} has no line {}", MARK.trim()))?;
    let text = format!("{above}{MARK}\n{}\n", text.trim_end());
    fs::write(&path, text).with_context(|| format!("writing {file}"))?;
    eprintln!("xtask: {file} is written: commit it");
    Ok(())
}
