//! The initramfs: init, forktrace, busybox, a handful of users, the command to run.
//!
//! It is not compressed: unpacking costs more under emulation than loading.

use super::{Programs, cpio::Archive};
use crate::arch::Arch;
use crate::{apt, kernel, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Users that tests run as; the guest has no other way to name them than this file.
const USERS: [(&str, u32); 6] = [
    ("root", 0),
    ("postgres", 112),
    ("u1000", 1000),
    ("u1001", 1001),
    ("u1002", 1002),
    ("nobody", 65534),
];

/// What a guest starts from.
#[derive(Default)]
pub(crate) struct Image {
    /// The command and its arguments; none for a shell.
    pub command: Vec<String>,
    /// Extra files, each `HOST` or `HOST:GUEST`.
    pub add: Vec<String>,
}

impl Image {
    /// Writes the archive to `path`.
    pub(crate) fn write(&self, programs: &Programs, path: &Path) -> Result<()> {
        let busybox = busybox(programs.arch)?;
        let mut archive = Archive::default();
        for folder in ["dev", "proc", "sys", "tmp", "run", "root", "var/tmp"] {
            archive.folder(folder);
        }
        archive.device("dev/console", 0o600, (5, 1));
        archive.file("init", 0o755, &read(&programs.scenarios)?);
        archive.link("bin/scenarios", "/init");
        archive.file("bin/forktrace", 0o755, &read(&programs.forktrace)?);
        archive.file("bin/busybox", 0o755, &read(&busybox)?);
        // Another machine's doesn't run here; it has the same ones.
        let own = busybox_here()?;
        let applets = run::capture(Command::new(own).arg("--list"))?;
        for applet in applets.lines().filter(|&applet| applet != "busybox") {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        users(&mut archive);
        if !self.command.is_empty() {
            // Ended by NUL, the one byte that no argument holds.
            let command: String = self
                .command
                .iter()
                .map(|word| format!("{word}\0"))
                .collect();
            archive.file("etc/ft-command", 0o644, command.as_bytes());
        }
        for pair in &self.add {
            extra(&mut archive, pair)?;
        }
        fs::write(path, archive.finish()).with_context(|| format!("writing {}", path.display()))
    }
}

fn users(archive: &mut Archive) {
    let mut passwd = String::new();
    let mut group = String::new();
    for (name, id) in USERS {
        let home = if id == 0 { "/root" } else { "/tmp" };
        passwd.push_str(&format!("{name}:x:{id}:{id}:{name}:{home}:/bin/sh\n"));
        group.push_str(&format!("{name}:x:{id}:\n"));
    }
    archive.file("etc/passwd", 0o644, passwd.as_bytes());
    archive.file("etc/group", 0o644, group.as_bytes());
}

fn extra(archive: &mut Archive, pair: &str) -> Result<()> {
    let (host, guest) = match pair.split_once(':') {
        Some((host, guest)) => (Path::new(host), guest.to_owned()),
        None => {
            let host = Path::new(pair);
            let Some(name) = host.file_name() else {
                bail!("--add {pair}: not a file")
            };
            (host, name.to_string_lossy().into_owned())
        }
    };
    if host.is_dir() {
        archive.folder(&guest);
        for entry in fs::read_dir(host)? {
            let entry = entry?;
            // A link to nothing, as in folders of headers.
            if !entry.path().exists() {
                continue;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            extra(
                archive,
                &format!("{}:{guest}/{name}", entry.path().display()),
            )?;
        }
        return Ok(());
    }
    let mode = fs::metadata(host)
        .with_context(|| format!("--add {pair}"))?
        .permissions()
        .mode();
    archive.file(&guest, mode & 0o7777, &read(host)?);
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// A busybox for test machines, that runs without libraries.
pub(crate) fn busybox(arch: Arch) -> Result<PathBuf> {
    if arch.is_here() {
        return busybox_here();
    }
    Ok(kernel::unpacked(arch, "busybox-static", None)?.join("usr/bin/busybox"))
}

/// This machine's; installed where missing.
fn busybox_here() -> Result<PathBuf> {
    // Only the static package brings this file; the other one has the same program's path.
    let proof = Path::new("/usr/share/doc/busybox-static");
    if !proof.exists()
        && let Some(own) = apt::find("busybox")
        && is_static(&own)
    {
        return Ok(own);
    }
    apt::require(
        &[apt::Package::new("busybox-static", proof)],
        "the test machine",
    )?;
    Ok("/bin/busybox".into())
}

/// A program that names no interpreter needs no libraries.
fn is_static(program: &Path) -> bool {
    fs::read(program).is_ok_and(|bytes| !bytes.windows(8).any(|part| part == b"ld-linux"))
}
