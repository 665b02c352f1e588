//! Takes the kernel image out of a Debian package.

use crate::arch::Arch;
use crate::run;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The image's bytes; the package is deleted afterwards, it is several times as large.
pub(super) fn extract(deb: &Path, arch: Arch) -> Result<Vec<u8>> {
    let mut unpack = Command::new("dpkg-deb");
    unpack.arg("--fsys-tarfile").arg(deb).stdout(Stdio::piped());
    let mut unpacking = unpack
        .spawn()
        .with_context(|| format!("starting `{}`", run::line(&unpack)))?;
    let Some(tar) = unpacking.stdout.take() else {
        bail!("dpkg-deb has no output")
    };
    let out = Command::new("tar")
        // Up to 6.18 in /boot, since 6.19 beside the modules.
        .args([
            "-xO",
            "--wildcards",
            "./boot/vmlinuz-*",
            "./usr/lib/modules/*/vmlinuz",
        ])
        .stdin(tar)
        .stderr(Stdio::null())
        .output()
        .context("starting tar")?;
    let unpacked = unpacking.wait()?;
    // tar complains about the pattern that matched nothing; what counts is what came out.
    if !unpacked.success() || !(arch.facts().is_kernel)(&out.stdout) {
        bail!(
            "{}: no kernel image in it (dpkg-deb: {unpacked})",
            deb.display()
        );
    }
    fs::remove_file(deb)?;
    Ok(out.stdout)
}
