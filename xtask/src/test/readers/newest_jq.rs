//! The newest jq that Debian has, run with the libraries that it was built for. Nothing is installed.

use crate::arch::Arch;
use crate::{kernel, run};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

/// What it is linked to, of which the first has the program that loads it.
const LIBRARIES: [&str; 3] = ["libc6", "libjq1", "libonig5"];

/// Unpacked.
pub(super) struct NewestJq {
    program: PathBuf,
    loader: PathBuf,
    libraries: OsString,
    /// `1.8.1`.
    pub version: String,
}

impl NewestJq {
    /// Downloads what is missing.
    pub(super) fn get() -> Result<Self> {
        let unpacked = |package| kernel::unpacked(Arch::X86_64, package, None);
        let folder = |package| Ok(unpacked(package)?.join("usr/lib/x86_64-linux-gnu"));
        let folders = LIBRARIES.map(folder).into_iter();
        let folders = folders.collect::<Result<Vec<PathBuf>>>()?;
        let mut newest = Self {
            program: unpacked("jq")?.join("usr/bin/jq"),
            loader: folders[0].join("ld-linux-x86-64.so.2"),
            libraries: std::env::join_paths(&folders).context("a colon in the folder's path")?,
            version: String::new(),
        };
        let said = run::capture(newest.command().arg("--version"))?;
        let version = said.trim().strip_prefix("jq-");
        newest.version = version.with_context(|| said.clone())?.to_owned();
        // jq 1.6 is read by already.
        ensure!(
            !newest.version.starts_with("1.6"),
            "the newest jq is {said}"
        );
        Ok(newest)
    }

    /// To which arguments are added.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.loader);
        command.arg("--library-path").arg(&self.libraries);
        command.arg(&self.program);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "downloads packages"]
    fn it_keeps_what_older_ones_round() {
        let newest = NewestJq::get().unwrap();
        let mut jq = newest.command();
        let kept = run::capture(jq.args(["-n", "[18446744073709551615, 1] | max"])).unwrap();
        assert_eq!(kept.trim(), "18446744073709551615", "jq {}", newest.version);
    }
}
