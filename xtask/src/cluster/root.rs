//! A Debian 12 in a folder, in which the cluster is built and runs.

use crate::{debootstrap::debootstrap, paths, run};
use anyhow::{Context, Result};
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

/// The last release whose source package has all of Kubernetes.
const SUITE: &str = "bookworm";
const PACKAGES: [&str; 12] = [
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "gcc",
    "golang-go",
    "iproute2",
    "iptables",
    "libc6-dev",
    "make",
    "openssl",
    "rsync",
    "runc",
];

/// Makes it where it is missing.
pub(super) fn get() -> Result<PathBuf> {
    let _lock = paths::lock("cluster")?;
    let folder = paths::work_dir("cluster")?.join(SUITE);
    if !folder.exists() {
        let nothing_else = |_: &Path, _: &_| Ok(());
        debootstrap(&folder, SUITE, &PACKAGES, "a cluster", nothing_else)?;
    }
    Ok(folder)
}

/// The folder as the root of processes, which see this machine's processes, devices, cgroups and network. What is
/// mounted for it ends with the last of them.
pub(super) struct Inside(Child);

impl Inside {
    pub(super) fn new(root: &Path) -> Result<Self> {
        // A root by chroot can't be left by pivot_root, as containers do.
        const SCRIPT: &str = r#"set -e
            mount --bind "$0" "$0"
            for from in proc sys dev; do mount --rbind /$from "$0/$from"; done
            mount -t tmpfs tmpfs "$0/run"
            mkdir -p "$0/old"
            cd "$0"
            pivot_root . old
            umount -l /old
            mount --make-rshared /
            touch /run/ready
            exec sleep infinity"#;
        let child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", SCRIPT])
            .arg(root)
            .stdin(Stdio::null())
            .spawn()
            .context("starting `unshare`")?;
        let inside = Self(child);
        let ready = || run::quiet(inside.command("test").args(["-e", "/run/ready"]));
        for _ in 0..100 {
            if ready().is_ok() {
                return Ok(inside);
            }
            thread::sleep(Duration::from_millis(50));
        }
        ready().context("mounting what the cluster sees")?;
        Ok(inside)
    }

    /// A program of the folder.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.0.id()))
            .args(["--mount", "--root", "--wdns=/", program])
            .env_clear()
            .env("PATH", "/k/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", "/k")
            .env("KUBECONFIG", "/k/kubeconfig");
        command
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
