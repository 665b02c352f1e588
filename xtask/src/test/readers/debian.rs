//! Readers that are Debian packages: lnav, with the format that contrib/ has for it, and Miller, of what
//! `forktrace convert` writes.

use super::{Case, Numbers, parse};
use crate::{apt, paths, run};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const FORMAT: &str = "contrib/lnav/forktrace.json";

/// Installs what is missing; the folder with lnav's format.
pub(super) fn get() -> Result<PathBuf> {
    let lnav = apt::Package::new("lnav", Path::new("/usr/bin/lnav"));
    let miller = apt::Package::new("miller", Path::new("/usr/bin/mlr"));
    apt::require(&[lnav, miller], "reading recordings with other tools")?;
    let home = paths::work_dir("lnav")?;
    let formats = home.join("formats/forktrace");
    fs::create_dir_all(&formats).with_context(|| format!("making {}", formats.display()))?;
    fs::copy(paths::root().join(FORMAT), formats.join("forktrace.json"))
        .with_context(|| format!("copying {FORMAT}"))?;
    Ok(home)
}

/// lnav shows what has a time: of a storm, the failures that were recorded in full.
pub(super) fn by_lnav(home: &Path, case: &Case, file: &Path) -> Result<Numbers> {
    let query = ";SELECT count(*) AS failures, count(\"limit/name\") AS limits, max(\"limit/value\") AS highest \
                 FROM forktrace WHERE type = 'failure'";
    let mut lnav = Command::new("lnav");
    lnav.arg("-I")
        .arg(home)
        .args(["-n", "-c", query, "-c", ":write-csv-to -"]);
    // It keeps what it has seen in its home.
    lnav.env("HOME", home).env("TERM", "xterm").arg(file);
    let printed = run::capture(&mut lnav)?;
    let numbers = printed.lines().nth(1).context("no second line")?;
    let read = parse(&numbers.replace(',', " "))?;
    let in_full = case
        .text
        .lines()
        .filter(|line| line.ends_with('}') && line.contains("\"type\":\"failure\""));
    let in_full = in_full.count() as u64;
    ensure!(read.failures == in_full, "{read:?}, of {in_full} in full");
    Ok(Numbers {
        failures: case.wanted.failures,
        ..read
    })
}

/// Of the CSV.
pub(super) fn by_miller(csv: &Path) -> Result<Numbers> {
    let mut miller = Command::new("mlr");
    miller.args(["--icsv", "--onidx", "put", "-q"]);
    miller.arg(
        "begin { @failures = 0; @limits = 0; @highest = 0 }
         if ($type == \"failure\" || $type == \"repeat\") { @failures += $failures }
         if ($type == \"failure\" && ${limit.name} != \"\") {
           @limits += 1;
           if (${limit.value} != \"\") { @highest = max(@highest, ${limit.value}) }
         }
         end { emit (@failures, @limits, @highest) }",
    );
    parse(&run::capture(miller.arg(csv))?)
}
