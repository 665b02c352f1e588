//! A release of Debian in a folder, as debootstrap leaves it.

use crate::apt;
use crate::kernel::mirror::{self, Mirror};
use crate::run;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes the folder, which isn't there yet and is whole when it is. `include`: packages beside the essential
/// ones; `purpose`: what it is for, where debootstrap has to be installed; `finish`: what else belongs to it.
pub(crate) fn debootstrap(
    folder: &Path,
    suite: &str,
    include: &[&str],
    purpose: &str,
    finish: impl FnOnce(&Path, &Mirror) -> Result<()>,
) -> Result<()> {
    let program = Path::new("/usr/sbin/debootstrap");
    apt::require(&[apt::Package::new("debootstrap", program)], purpose)?;
    eprintln!("xtask: debootstrap {suite}");
    let mirror = mirror::find()?;
    let partial = folder.with_extension("partial");
    let _ = fs::remove_dir_all(&partial);
    let mut command = Command::new(program);
    command.arg("--variant=minbase");
    if !include.is_empty() {
        command.arg(format!("--include={}", include.join(",")));
    }
    run::quiet(command.arg(suite).arg(&partial).arg(&mirror.main))?;
    finish(&partial, &mirror)?;
    fs::rename(&partial, folder).context("keeping what debootstrap made")
}
