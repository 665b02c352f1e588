//! Debian's packages, unpacked in a folder: they would start services where they are installed.

use crate::{apt, paths, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

const PACKAGES: [&str; 4] = [
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-node-exporter",
    "victoria-metrics",
];

/// The folder with their programs.
pub(super) struct Tools(PathBuf);

impl Tools {
    pub(super) fn promtool(&self) -> PathBuf {
        self.0.join("promtool")
    }

    pub(super) fn prometheus(&self) -> PathBuf {
        self.0.join("prometheus")
    }

    /// It wants its templates where the package has them: in mounts of its own, they are.
    pub(super) fn alertmanager(&self) -> Command {
        let share = self.0.join("../share");
        let script =
            r#"mount -t overlay -o "ro,lowerdir=$0:/usr/share" overlay /usr/share; exec "$@""#;
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--propagation", "private", "sh", "-ec", script])
            .arg(share)
            .arg(self.0.join("prometheus-alertmanager"));
        command
    }

    pub(super) fn node_exporter(&self) -> PathBuf {
        self.0.join("prometheus-node-exporter")
    }

    pub(super) fn victoria_metrics(&self) -> PathBuf {
        self.0.join("victoria-metrics")
    }
}

/// Downloads and unpacks what is missing.
pub(super) fn get() -> Result<Tools> {
    let _lock = paths::lock("monitoring")?;
    let home = paths::work_dir("monitoring/debian")?;
    let tools = Tools(home.join("root/usr/bin"));
    if tools.victoria_metrics().exists() {
        return Ok(tools);
    }
    ensure!(
        apt::find("apt-get").is_some(),
        "Prometheus and its kin are taken from Debian's packages, and this machine has no apt-get"
    );
    let download = || {
        let mut apt = Command::new("apt-get");
        run::quiet(
            apt.args(["-qq", "download"])
                .args(PACKAGES)
                .current_dir(&home),
        )
    };
    // A fresh machine has no package lists.
    if download().is_err() {
        run::quiet(Command::new("apt-get").args(["-qq", "update"]))?;
        download().context("downloading Prometheus and its kin")?;
    }
    for entry in fs::read_dir(&home)?.flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "deb") {
            run::quiet(
                Command::new("dpkg-deb")
                    .arg("--extract")
                    .arg(&path)
                    .arg(home.join("root")),
            )?;
            fs::remove_file(path)?;
        }
    }
    Ok(tools)
}
