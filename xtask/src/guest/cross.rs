//! The compilers for another machine: Debian's cross compiler for C, and Debian's rustc with the standard
//! library of that machine's package, of which the files are enough. So this machine's apt need not
//! know a second architecture.

use crate::arch::Arch;
use crate::{apt, kernel, paths, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const RUSTC: &str = "/usr/bin/rustc";

/// Has cargo use them, installing what is missing.
pub(crate) fn compilers(arch: Arch, cargo: &mut Command) -> Result<()> {
    let facts = arch.facts();
    if arch != Arch::Arm64 {
        bail!(
            "xtask has no cross compiler for {} on this machine",
            facts.name
        );
    }
    let gcc = format!("{}-gcc", facts.gnu);
    apt::require(
        &[
            apt::Package::new("rustc-web", Path::new("/usr/share/doc/rustc-web")),
            apt::Package::new(
                &format!("gcc-{}", facts.gnu),
                &Path::new("/usr/bin").join(&gcc),
            ),
            apt::Package::new(
                &format!("libc6-dev-{}-cross", facts.debian),
                &Path::new("/usr").join(facts.gnu).join("lib/libc.a"),
            ),
        ],
        &format!("building for {}", facts.name),
    )?;
    let under = facts.triple.replace('-', "_");
    cargo
        .env("RUSTC", rustc(arch)?)
        .env(format!("CARGO_TARGET_{}_LINKER", under.to_uppercase()), &gcc)
        // zstd is C.
        .env(format!("CC_{under}"), &gcc);
    Ok(())
}

/// A rustc that finds both machines' libraries: in the folder that it lies in. Cargo is told nothing of
/// the folder, or what it builds would have another hash in each clone.
fn rustc(arch: Arch) -> Result<PathBuf> {
    let script = format!("#!/bin/sh\nexec {RUSTC} --sysroot \"${{0%/*}}\" \"$@\"\n");

    let version = run::capture(Command::new("dpkg-query").args([
        "--show",
        "--showformat=${Version}",
        "rustc-web",
    ]))?;
    let files = kernel::unpacked(arch, "libstd-rust-web-dev", Some(version.trim()))?;
    let own = run::capture(Command::new(RUSTC).args(["--print", "sysroot"]))?;
    let libraries = |root: &Path, arch: Arch| root.join("lib/rustlib").join(arch.facts().triple);
    let root = paths::work(&format!("tools/{}/sysroot-{version}", arch.facts().debian));
    fs::create_dir_all(root.join("lib/rustlib"))?;
    for (arch, from) in [
        (Arch::HERE, Path::new(own.trim())),
        (arch, &files.join("usr")),
    ] {
        let (from, to) = (libraries(from, arch), libraries(&root, arch));
        let _ = fs::remove_file(&to);
        symlink(&from, &to).with_context(|| format!("linking {}", to.display()))?;
    }
    let program = root.join("rustc");
    if fs::read(&program).ok().as_deref() != Some(script.as_bytes()) {
        fs::write(&program, script).with_context(|| format!("writing {}", program.display()))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    Ok(program)
}
