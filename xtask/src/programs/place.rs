//! Where programs are run: in a Debian of its own below `target/xtask`, or on this machine.

use super::{packages, run_data::Run};
use crate::{apt, debootstrap::debootstrap, paths, run};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const SUITE: &str = "bookworm";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where they are.
pub(super) struct Place {
    /// The folder that is their root; `None`: this machine's.
    root: Option<PathBuf>,
}

impl Place {
    /// Mounts what programs need, in this process's own namespaces.
    pub(super) fn enter(here: bool) -> Result<Self> {
        let root = (!here).then(root);
        let place = Self { root };
        let at = place.root.clone().unwrap_or_else(|| "/".into());
        if place.root.is_some() {
            run::quiet(
                Command::new("mount")
                    .args(["-t", "proc", "proc"])
                    .arg(at.join("proc")),
            )?;
            for name in ["dev", "sys"] {
                let of = Path::new("/").join(name);
                run::quiet(
                    Command::new("mount")
                        .arg("--rbind")
                        .args([&of, &at.join(name)]),
                )?;
            }
        }
        // What they write ends with them.
        for folder in if here {
            &["/mnt"][..]
        } else {
            &["/tmp", "/run"]
        } {
            run::quiet(
                Command::new("mount")
                    .args(["-t", "tmpfs", "-o", "mode=1777,size=1g", "tmpfs"])
                    .arg(at.join(folder.trim_start_matches('/'))),
            )?;
        }
        // Ports are nobody else's.
        place.script("ip link set lo up 2>/dev/null || true", &[])?;
        Ok(place)
    }

    /// Its root, as this process sees it.
    pub(super) fn root(&self) -> &Path {
        self.root.as_deref().unwrap_or_else(|| Path::new("/"))
    }

    /// A file of it, by its path or its name in the folder.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>> {
        let folder = self.root().join(self.folder().trim_start_matches('/'));
        let file = match path.strip_prefix('/') {
            Some(path) => self.root().join(path),
            None => folder.join(path),
        };
        fs::read(&file).with_context(|| format!("reading {}", file.display()))
    }

    /// Where what runs is, and may write.
    fn folder(&self) -> &'static str {
        match self.root {
            None => "/mnt",
            Some(_) => "/tmp",
        }
    }

    /// By which variables a run's programs find what was installed for them.
    pub(super) fn variables(run: &Run) -> Vec<(&'static str, String)> {
        packages::variables(run, PATH)
    }

    /// A command in it; its arguments are the program's name and what it is given.
    pub(super) fn command(&self) -> Command {
        let mut command = match &self.root {
            None => Command::new("env"),
            Some(root) => {
                let mut chroot = Command::new("chroot");
                chroot.arg(root).arg("env");
                chroot
            }
        };
        command
            .arg(format!("--chdir={}", self.folder()))
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", self.folder())
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8");
        command
    }

    /// Runs a script by its shell; whether it succeeded.
    pub(super) fn script(&self, script: &str, variables: &[(&str, String)]) -> Result<bool> {
        let mut command = self.command();
        // Nobody waits for what hangs.
        command.args(["timeout", "--kill-after=1", "20", "sh", "-c", script]);
        for (name, value) in variables {
            command.env(name, value);
        }
        let out = command.stdin(std::process::Stdio::null()).output();
        let out = out.context("starting a shell")?;
        Ok(out.status.success())
    }

    /// What a run needs and isn't here.
    pub(super) fn missing<'a>(&self, run: &'a Run) -> Option<&'a str> {
        if let Some(missing) = packages::missing(self.root(), run) {
            return Some(missing);
        }
        let program = run.command.first()?;
        let has = |name: &str| match &self.root {
            None => apt::find(name).is_some() || Path::new(name).is_file(),
            Some(_) => true,
        };
        let needs = run.needs.iter().chain([program]);
        needs.map(String::as_str).find(|name| !has(name))
    }

    /// The version of a run's program.
    pub(super) fn version(&self, run: &Run) -> Option<String> {
        packages::version(run).or_else(|| self.version_of(run.packages.first()?))
    }

    /// A Debian package's version.
    fn version_of(&self, package: &str) -> Option<String> {
        let mut query = Command::new("dpkg-query");
        if let Some(root) = &self.root {
            query.arg(format!(
                "--admindir={}",
                root.join("var/lib/dpkg").display()
            ));
        }
        let version = run::capture(query.args(["-W", "-f=${Version}", package]));
        version.ok().filter(|version| !version.is_empty())
    }
}

fn root() -> PathBuf {
    paths::work("programs").join(SUITE)
}

/// Makes the folder, and installs there what the runs need.
pub(super) fn install(runs: &[Run]) -> Result<()> {
    let _lock = paths::lock("programs")?;
    let root = root();
    if !root.is_dir() {
        bootstrap(&root)?;
    }
    of_debian(&root, runs)?;
    packages::install(&root, runs)
}

fn of_debian(root: &Path, runs: &[Run]) -> Result<()> {
    let wanted: BTreeSet<&str> = runs
        .iter()
        .flat_map(|run| run.packages.iter().map(String::as_str))
        .chain(["iproute2", "curl", "procps"])
        .collect();
    let mut query = Command::new("dpkg-query");
    query.arg(format!(
        "--admindir={}",
        root.join("var/lib/dpkg").display()
    ));
    let installed = run::capture(query.args(["-W", "-f=${Package} ${db:Status-Status}\n"]))?;
    let has = |name: &str| {
        let line = format!("{name} installed");
        installed.lines().any(|one| one == line)
    };
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!(
        "xtask: installing into {}: {}",
        root.display(),
        missing.join(" ")
    );
    // No service is started by being installed.
    let policy = root.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))?;
    let outer = r#"set -e; root=$0; mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"
        chroot "$root" apt-get -qq update
        exec chroot "$root" apt-get -qq -y --no-install-recommends -o APT::Sandbox::User=root install "$@""#;
    run::quiet(
        Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", outer])
            .arg(root)
            .args(missing)
            .env("PATH", PATH)
            .env("LC_ALL", "C.UTF-8")
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
}

fn bootstrap(root: &Path) -> Result<()> {
    paths::work_dir("programs")?;
    let purpose = "running programs in a folder of their own";
    debootstrap(root, SUITE, &[], purpose, |root, mirror| {
        let sources = format!(
            "deb {} {SUITE} main\ndeb {} {SUITE}-security main\n",
            mirror.main, mirror.security
        );
        fs::write(root.join("etc/apt/sources.list"), sources).context("naming the mirrors")
    })
}
