//! A Debian of its own in a folder, in which packages are installed. Nothing of it is mounted on this
//! machine: what runs in it has mounts of its own, which end with it.

use crate::{debootstrap::debootstrap, paths, run};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The releases whose machines packages are for.
pub(super) const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// A copy of a release as debootstrap leaves it; removed when dropped.
pub(super) struct Root(PathBuf);

impl Root {
    pub(super) fn new(suite: &str, purpose: &str) -> Result<Self> {
        let fresh = fresh(suite)?;
        let root = Self(paths::work_dir("dist")?.join(format!("{suite}-{purpose}")));
        root.remove();
        run::quiet(
            Command::new("cp")
                .args(["--archive", "--reflink=auto"])
                .arg(fresh)
                .arg(&root.0),
        )?;
        Ok(root)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Puts a file into it; its path inside.
    pub(super) fn put(&self, file: &Path) -> Result<String> {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        fs::copy(file, self.0.join("tmp").join(&*name))
            .with_context(|| format!("copying {name}"))?;
        Ok(format!("/tmp/{name}"))
    }

    /// Runs a script by its shell, with this machine's kernel to look at; what it prints.
    pub(super) fn run(&self, script: &str) -> Result<String> {
        // Mounts are made in a namespace of their own.
        let outer = r#"set -e; mount --rbind /proc "$0/proc"; mount --rbind /sys "$0/sys"; mount --rbind /dev "$0/dev"; exec chroot "$0" /bin/sh -euc "$1" 2>&1"#;
        run::capture(
            Command::new("unshare")
                .args(["--mount", "--propagation", "private", "sh", "-c", outer])
                .arg(&self.0)
                .arg(script)
                .env_clear()
                .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LC_ALL", "C.UTF-8"),
        )
    }

    /// Every path in it but what package managers keep of their own.
    pub(super) fn paths(&self) -> Result<BTreeSet<String>> {
        const KEPT: [&str; 6] = [
            "./tmp/",
            "./run/",
            "./var/lib/",
            "./var/log/",
            "./var/cache/",
            // Of an rpm that was built for Debian.
            "./root/.rpmdb",
        ];
        let mut find = Command::new("find");
        let all = run::capture(find.current_dir(&self.0).args([".", "-xdev"]))?;
        let paths = all
            .lines()
            .filter(|path| !KEPT.iter().any(|kept| path.starts_with(kept)));
        Ok(paths.map(str::to_owned).collect())
    }

    fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.remove();
    }
}

/// The release itself, made once.
fn fresh(suite: &str) -> Result<PathBuf> {
    let _lock = paths::lock("debootstrap")?;
    let folder = paths::work("dist").join(suite);
    if folder.is_dir() {
        return Ok(folder);
    }
    // systemd's own programs read the unit and the user; it isn't started.
    debootstrap(
        &folder,
        suite,
        &["systemd"],
        "trying the packages",
        |_, _| Ok(()),
    )?;
    Ok(folder)
}
