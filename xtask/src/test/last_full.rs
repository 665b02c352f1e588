//! docs/test-matrix.md: what the last full run came to.

use super::{Tally, Times};
use crate::{paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::process::Command;

const FILE: &str = "docs/test-matrix.md";
/// What stands below is a run's, what stands above stays.
const MARK: &str = "<!-- below: written by cargo xtask test --full -->\n";

/// Writes it, to be committed.
pub fn write(tally: &Tally, times: &Times, matrix: &str) -> Result<()> {
    let path = paths::root().join(FILE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
    let (above, _) = text
        .split_once(MARK)
        .with_context(|| format!("{FILE} has no line {}", MARK.trim()))?;
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
    let text = format!(
        "{above}{MARK}\n## Last full run\n\n{}, commit {}{changed}: {tally}, in {:.0} minutes.\n\n{matrix}",
        date.trim(),
        of(&["rev-parse", "--short=12", "HEAD"]),
        times.so_far().as_secs_f64() / 60.0,
    );
    fs::write(&path, text.trim_end().to_owned() + "\n")
        .with_context(|| format!("writing {FILE}"))?;
    eprintln!("xtask: {FILE} is written: commit it");
    Ok(())
}
