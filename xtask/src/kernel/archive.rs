//! A private apt: own sources, lists and cache under `target/xtask/apt`, so that the machine's apt
//! stays as it is. Its proxy and authentication settings still hold.

use super::{age, mirror, resolve::Package};
use crate::arch::Arch;
use crate::{paths, run};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const TRIES: u32 = 3;

/// Suites of the main tree; sid and backports for the newest kernels.
const MAIN: [&str; 4] = ["bookworm", "trixie", "trixie-backports", "sid"];
const SECURITY: [&str; 3] = ["bullseye-security", "bookworm-security", "trixie-security"];

/// The private apt.
#[derive(Clone)]
pub(super) struct Archive {
    arch: Arch,
    home: PathBuf,
    updated: bool,
}

impl Archive {
    /// Writes the configuration, and fetches the lists when they are older than `fresh`.
    pub(super) fn open(arch: Arch, fresh: Duration) -> Result<Self> {
        let home = match arch {
            Arch::X86_64 => "apt".to_owned(),
            _ => format!("apt-{}", arch.facts().debian),
        };
        let mut archive = Self {
            arch,
            home: paths::work_dir(&home)?,
            updated: false,
        };
        archive.configure()?;
        if age(&archive.stamp()) > fresh {
            archive.update()?;
        }
        Ok(archive)
    }

    /// For which machine it has packages.
    pub(super) fn arch(&self) -> Arch {
        self.arch
    }

    fn stamp(&self) -> PathBuf {
        self.home.join("updated")
    }

    fn configure(&self) -> Result<()> {
        for folder in ["lists/partial", "cache/archives/partial", "debs"] {
            fs::create_dir_all(self.home.join(folder))?;
        }
        let mirror = mirror::find()?;
        let (debian, more) = (self.arch.facts().debian, self.arch.facts().more_suites);
        let suites = MAIN.iter().chain(more);
        let trees = suites.map(|suite| (&mirror.main, *suite));
        let trees = trees.chain(SECURITY.map(|suite| (&mirror.security, suite)));
        let sources: String = trees
            .map(|(tree, suite)| {
                format!("deb [arch={debian} signed-by={KEYS}] {tree} {suite} main\n")
            })
            .collect();
        fs::write(self.home.join("sources.list"), sources)?;
        fs::write(self.home.join("status"), "")?;
        let home = self.home.display();
        // The hooks would clean the machine's own cache, and DEP-11 is 10 MB for nothing.
        let config = format!(
            r#"Dir::Etc::sourcelist "{home}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{home}";
Dir::State::lists "{home}/lists";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Acquire::Languages "none";
Acquire::Check-Valid-Until "false";
Acquire::Retries "3";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";
APT::Sandbox::User "";
APT::Architecture "{debian}";
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"#
        );
        fs::write(self.home.join("apt.conf"), config).context("writing the private apt.conf")
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(self.home.join("apt.conf"))
            .current_dir(self.home.join("debs"));
        command
    }

    /// Fetches the package lists; gives false when that was already done in this run.
    pub(super) fn update(&mut self) -> Result<bool> {
        if self.updated {
            return Ok(false);
        }
        eprintln!("xtask: fetching Debian's package lists for the test kernels");
        // One suite that has left the mirror must not take the others along: what is missing
        // shows when a kernel is looked up.
        if let Err(error) = run::quiet(self.apt("apt-get").args(["-qq", "update"])) {
            eprintln!("xtask: {error:#}");
        } else {
            fs::write(self.stamp(), "")?;
        }
        self.updated = true;
        Ok(true)
    }

    /// Runs a query of apt-cache.
    pub(super) fn query(&self, args: &[&str]) -> Result<String> {
        run::capture(self.apt("apt-cache").args(args))
    }

    /// Downloads a package, checked against the signed lists, and gives the file.
    pub(super) fn download(&self, package: &Package) -> Result<PathBuf> {
        let wanted = format!("{}={}", package.name, package.version);
        eprintln!("xtask: downloading {wanted}");
        let mut last = anyhow!("not tried");
        for attempt in 1..=TRIES {
            match run::quiet(self.apt("apt-get").args(["-qq", "download"]).arg(&wanted)) {
                Ok(()) => return self.deb(package),
                Err(error) if attempt < TRIES => {
                    eprintln!("xtask: downloading {wanted} again: {error:#}");
                    last = error;
                }
                Err(error) => last = error,
            }
        }
        Err(last.context(format!("downloading {wanted} failed {TRIES} times")))
    }

    fn deb(&self, package: &Package) -> Result<PathBuf> {
        let start = format!("{}_", package.name);
        let mut files = fs::read_dir(self.home.join("debs"))?.flatten();
        files
            .find(|file| file.file_name().to_string_lossy().starts_with(&start))
            .map(|file| file.path())
            .ok_or_else(|| anyhow!("apt-get download left no {start}*.deb"))
    }
}
