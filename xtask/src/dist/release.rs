//! What is released: a commit, its version, its time.

use super::metadata::Metadata;
use super::product::{self, Product};
use crate::{arch::Arch, run};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Behind a commit that files differ from.
const DIRTY: &str = "-dirty";

/// A release of the sources in a folder.
pub(crate) struct Release {
    pub root: PathBuf,
    pub version: String,
    pub commit: String,
    /// Of the commit, in seconds since 1970: the time of everything that is made.
    pub time: u64,
    pub metadata: Metadata,
    /// What is published instead of what the sources build to, for a try: of the first product.
    pub program: Option<PathBuf>,
}

impl Release {
    /// Reads the folder; an error where it differs from its commit, unless that is `dirty`.
    pub(crate) fn of(root: &Path, dirty: bool) -> Result<Self> {
        let git = |words: &[&str]| {
            let text = run::capture(Command::new("git").current_dir(root).args(words))
                .context("a release is made from a commit")?;
            Ok::<_, anyhow::Error>(text.trim().to_owned())
        };
        let changes = git(&["status", "--porcelain"])?;
        ensure!(
            dirty || changes.is_empty(),
            "these files differ from the commit; commit them, or use --dirty for a try:\n{changes}"
        );
        let mut commit = git(&["rev-parse", "HEAD"])?;
        if !changes.is_empty() {
            commit.push_str(DIRTY);
        }
        let time = git(&["log", "-1", "--format=%ct"])?;
        let metadata = Metadata::read(root)?;
        Ok(Self {
            root: root.to_owned(),
            version: metadata.version()?,
            commit,
            time: time.parse().context("the commit's time")?,
            metadata,
            program: None,
        })
    }

    /// Whether files differ from the commit.
    pub(crate) fn is_dirty(&self) -> bool {
        self.program.is_some() || self.commit.ends_with(DIRTY)
    }

    /// The program that is published instead of a product's own.
    pub(super) fn instead_of(&self, product: &Product) -> Option<&Path> {
        let first = product.name == product::FORKTRACE.name;
        self.program.as_deref().filter(|_| first)
    }

    /// The start of the names of most of a product's files.
    pub(super) fn name(&self, product: &Product) -> String {
        format!("{}-{}", product.name, self.version)
    }

    /// The name of a product's archive for a machine, and of the folder in it.
    pub(super) fn archive(&self, product: &Product, machine: Arch) -> String {
        format!("{}-{}-linux", self.name(product), machine.facts().rust)
    }

    /// The time as RFC 3339 has it.
    pub(crate) fn rfc3339(&self) -> Result<String> {
        let date = run::capture(
            Command::new("date")
                .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"])
                .arg(format!("@{}", self.time)),
        )?;
        Ok(date.trim().to_owned())
    }

    /// A file of the sources.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        std::fs::read(self.root.join(path)).with_context(|| format!("reading {path}"))
    }

    /// A program of the build, that finds its time in the environment.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("SOURCE_DATE_EPOCH", self.time.to_string())
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8");
        command
    }
}
