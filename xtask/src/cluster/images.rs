//! Images of the cluster's pods, in the root's `/k`: forktrace as it is published, what a pod's namespaces belong to,
//! and a shell that starts more than it may.

use crate::{
    arch::Arch,
    dist::image::{Contents, Name, archive},
    guest, paths,
};
use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Their files, without `.tar`.
pub(super) const ALL: [&str; 3] = ["forktrace", "pause", "shell"];
/// The image that containerd runs a pod's namespaces by.
pub(super) const PAUSE: &str = "localhost/pause:1";
/// The image of a pod that is refused.
pub(super) const SHELL: &str = "localhost/shell:1";

pub(super) fn write(root: &Path, forktrace: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("reading {}", path.display()));
    let base = paths::root().join("contrib/kubernetes/base/daemonset.yaml");
    let base = fs::read_to_string(&base).with_context(|| format!("reading {}", base.display()))?;
    // As the base calls it.
    let tag = base
        .lines()
        .find_map(|line| line.trim().strip_prefix("image: forktrace:"));
    let tag = tag.context("the DaemonSet's image has no version")?;
    let (forktrace, pause) = (read(forktrace)?, read(&root.join("k/pause"))?);
    let busybox = read(&guest::busybox(Arch::HERE)?)?;
    let images = [
        (
            "docker.io/library/forktrace",
            tag,
            "forktrace",
            vec![("forktrace", &forktrace)],
        ),
        ("localhost/pause", "1", "pause", vec![("pause", &pause)]),
        (
            "localhost/shell",
            "1",
            "bin/sh",
            vec![("bin/sh", &busybox), ("bin/sleep", &busybox)],
        ),
    ];
    for ((image, tag, entrypoint, files), name) in images.into_iter().zip(ALL) {
        let entries = files
            .into_iter()
            .map(|(path, bytes)| (path.to_owned(), 0o755, &bytes[..]));
        let contents = Contents {
            machine: Arch::HERE,
            entries: entries.collect(),
            entrypoint: &format!("/{entrypoint}"),
            labels: serde_json::json!({}),
        };
        let bytes = archive(&Name { image, tag }, [contents], "1970-01-01T00:00:00Z", 0)?;
        let file = root.join(format!("k/{name}.tar"));
        fs::write(&file, bytes).with_context(|| format!("writing {}", file.display()))?;
    }
    Ok(())
}
