//! Each .rpm, by rpm into a folder that holds a system without it.

use super::{super::Release, deb, root::Root};
use crate::{apt, run};
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tries it.
pub(super) fn run(release: &Release, packages: &[PathBuf; 2]) -> Result<()> {
    let program = Path::new("/usr/bin/rpm");
    apt::require(&[apt::Package::new("rpm", program)], "trying the packages")?;
    let root = Root::new(super::root::SUITES[0], "rpm")?;
    let before = root.paths()?;
    let rpm = |words: &[&str]| {
        let mut command = Command::new(program);
        run::capture(command.arg("--root").arg(root.path()).args(words))
    };
    let [file, convert] = packages.each_ref().map(|path| path.to_string_lossy());
    rpm(&["--initdb"])?;
    // Its only need is /bin/sh, of which this database knows nothing.
    rpm(&["--install", "--nodeps", &file])?;
    deb::installed(&root, release)?;
    rpm(&["--install", &convert])?;
    deb::converts(&root)?;
    let verified = rpm(&["--verify", "--nodeps", "forktrace", "forktrace-convert"])?;
    ensure!(verified.is_empty(), "rpm --verify: {verified}");
    rpm(&["--upgrade", "--replacepkgs", "--nodeps", &file])?;
    deb::installed(&root, release)?;
    rpm(&["--erase", "forktrace-convert", "forktrace"])?;
    let mut expected = before;
    // Folders that no package of this database owns stay.
    expected.extend(folders(&root)?);
    deb::left_nothing(&expected, &root)
}

fn folders(root: &Root) -> Result<Vec<String>> {
    let mut find = Command::new("find");
    let all = run::capture(
        find.current_dir(root.path())
            .args([".", "-xdev", "-type", "d"]),
    )?;
    Ok(all.lines().map(str::to_owned).collect())
}
