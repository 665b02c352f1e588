//! Kubernetes, built from Debian's source package.

use super::root::Inside;
use crate::{apt, kernel::mirror, object::sha256, paths, run};
use anyhow::{Context, Result, ensure};
use std::{fs, path::Path, process::Command};

/// Below a Debian mirror. Later ones have kubectl alone.
const SOURCE: &str = "pool/main/k/kubernetes/kubernetes_1.20.5+really1.20.2.orig.tar.gz";
const SHA256: &str = "b83c0780efb182d928dc63d46488a847f161f04e40a94b96bf5247dd671ecdfc";
const PROGRAMS: [&str; 5] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
];

/// Builds what is missing, into `/k/bin` of the root; `/k/pause` is what a pod's namespaces belong to.
pub(super) fn get(root: &Path) -> Result<()> {
    let _lock = paths::lock("cluster")?;
    let bin = root.join("k/bin");
    if PROGRAMS.iter().all(|name| bin.join(name).exists()) && root.join("k/pause").exists() {
        return Ok(());
    }
    let archive = paths::work_dir("cluster")?.join("kubernetes.tar.gz");
    let url = format!("{}/{SOURCE}", mirror::find()?.main);
    let curl = Path::new("/usr/bin/curl");
    apt::require(&[apt::Package::new("curl", curl)], "a cluster")?;
    let mut fetched = Command::new(curl);
    run::quiet(fetched.args(["-fsSL", "-o"]).arg(&archive).arg(url))?;
    let found = sha256(&fs::read(&archive)?);
    ensure!(
        found == SHA256,
        "{}: {found}, wanted {SHA256}",
        archive.display()
    );
    let source = root.join("k/source");
    let _ = fs::remove_dir_all(&source);
    fs::create_dir_all(&source)?;
    run::quiet(
        Command::new("tar")
            .args(["xzf"])
            .arg(&archive)
            .args(["--strip-components=1", "-C"])
            .arg(&source),
    )?;
    eprintln!("xtask: building Kubernetes (once, ten minutes and more)");
    let what = PROGRAMS.map(|name| format!("cmd/{name}")).join(" ");
    let script = format!(
        r#"set -eu
        export CGO_ENABLED=0 GOPATH=/k/source/.go GOFLAGS=-p=2 KUBE_GIT_VERSION=v1.20.2
        mkdir -p /k/bin /k/source/.go/src/k8s.io
        ln -sfn ../../.. /k/source/.go/src/k8s.io/kubernetes
        cd /k/source/.go/src/k8s.io/kubernetes
        make WHAT="{what}"
        cp _output/local/bin/linux/*/* /k/bin/
        gcc -Os -static -DVERSION=1 -o /k/pause build/pause/linux/pause.c"#
    );
    let inside = Inside::new(root)?;
    run::quiet(inside.command("bash").args(["-c", &script])).context("building Kubernetes")?;
    drop(inside);
    // Gigabytes.
    let _ = fs::remove_dir_all(root.join("k/.cache"));
    fs::remove_dir_all(&source).context("removing the source")
}
