//! The systemd unit, with systemd's own tools. systemd needn't be running for it.

use super::Tally;
use crate::{apt, paths, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

const UNIT: &str = "contrib/forktrace.service";
const PROGRAM: &str = "/usr/local/bin/forktrace";
/// Where its exposure is documented, and what stands before it.
const DOCUMENT: &str = "docs/privilege.md";
const BEFORE: &str = "exposure level of ";

/// Checks that the unit is well formed, and that it exposes no more than the documents say.
pub(super) fn run() -> Result<Tally> {
    let mut tally = Tally::default();
    let tool = Path::new("/usr/bin/systemd-analyze");
    apt::require(
        &[apt::Package::new("systemd", tool)],
        "checking the systemd unit",
    )?;
    let unit = fs::read_to_string(paths::root().join(UNIT)).context("reading the unit")?;
    ensure!(unit.contains(PROGRAM), "{UNIT} doesn't run {PROGRAM}");
    // `verify` wants a program that is there.
    let copy = paths::work_dir("service")?.join("forktrace.service");
    fs::write(&copy, unit.replace(PROGRAM, "/bin/true"))?;
    tally.step("the unit: systemd-analyze verify", &verify(&copy));
    let exposure = documented().and_then(|most| exposure(&copy, most));
    tally.step("the unit: systemd-analyze security", &exposure);
    Ok(tally)
}

/// systemd-analyze prints directives that it doesn't know, and still exits with 0.
fn verify(unit: &Path) -> Result<()> {
    let out = Command::new("systemd-analyze")
        .arg("verify")
        .arg(unit)
        .output()
        .context("starting systemd-analyze")?;
    let said = String::from_utf8_lossy(&out.stderr);
    let of_unit: Vec<&str> = said.lines().filter(|l| l.contains("forktrace")).collect();
    ensure!(
        out.status.success() && of_unit.is_empty(),
        "{}: {}",
        out.status,
        said.trim()
    );
    Ok(())
}

/// The number that is documented, in tenths.
fn documented() -> Result<u32> {
    let text = fs::read_to_string(paths::root().join(DOCUMENT))?;
    tenths(&text).with_context(|| format!("{DOCUMENT} doesn't say the {BEFORE}N.N"))
}

fn tenths(text: &str) -> Option<u32> {
    let number = text.split_once(BEFORE)?.1.split_whitespace().next()?;
    let (whole, tenths) = number.split_once('.')?;
    let tenths: u32 = tenths.get(..1)?.parse().ok()?;
    Some(whole.parse::<u32>().ok()? * 10 + tenths)
}

/// Fails above this many tenths; the threshold is in percent of 10.
fn exposure(unit: &Path, most: u32) -> Result<()> {
    run::quiet(
        Command::new("systemd-analyze")
            .args(["security", "--no-pager", "--offline=true"])
            .arg(format!("--threshold={most}"))
            .arg(unit),
    )
}

#[cfg(test)]
mod tests {
    use super::tenths;

    #[test]
    fn reads_the_document() {
        assert_eq!(
            tenths("has an exposure level of 2.1 (systemd 252)"),
            Some(21)
        );
        assert_eq!(tenths("exposure level of 10.0."), Some(100));
        assert_eq!(tenths("no such level"), None);
    }
}
