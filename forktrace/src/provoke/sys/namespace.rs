//! Namespaces and mounts.

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use rustix::{
    mount::{MountFlags, MountPropagationFlags, UnmountFlags},
    thread::UnshareFlags,
};

use super::{
    descriptor::{close_from, pipe},
    process::{self, die_with_parent, exit, fork, reap},
};
use crate::provoke::trouble::Trouble;

/// unshare(2); `name` says which flag it is.
///
/// # Errors
/// It was refused.
pub fn unshare(flags: i32, name: &str) -> Result<(), Trouble> {
    let flags = UnshareFlags::from_bits_retain(flags as u32);
    // SAFETY: one thread, so nobody else misses a descriptor.
    unsafe { rustix::thread::unshare_unsafe(flags) }
        .map_err(Trouble::at(format!("unshare({name})")))
}

/// A mount namespace of its own: what is mounted in it stays in it.
///
/// # Errors
/// It was refused.
pub fn own_mounts() -> Result<(), Trouble> {
    unshare(libc::CLONE_NEWNS, "CLONE_NEWNS")?;
    private_mounts()
}

/// In a mount namespace of its own: what is mounted in it stays in it.
///
/// # Errors
/// It was refused.
pub fn private_mounts() -> Result<(), Trouble> {
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
    )
    .map_err(Trouble::at("making all mounts private"))
}

/// mount(2) without flags.
///
/// # Errors
/// It was refused.
pub fn mount(source: &str, target: &Path, kind: &str, data: &str) -> Result<(), Trouble> {
    let doing = format!("mount {kind} on {}", target.display());
    let data = CString::new(data).map_err(|e| Trouble::at(&*doing)(io::Error::other(e)))?;
    rustix::mount::mount(source, target, kind, MountFlags::empty(), data.as_c_str())
        .map_err(Trouble::at(doing))
}

/// Shows a file in the place of another.
///
/// # Errors
/// It was refused.
pub fn bind(file: &Path, target: &Path) -> Result<(), Trouble> {
    let doing = format!("mount {} on {}", file.display(), target.display());
    rustix::mount::mount_bind(file, target).map_err(Trouble::at(doing))
}

/// Takes away what is mounted there, at once.
///
/// # Errors
/// It was refused.
pub fn unmount(target: &Path) -> Result<(), Trouble> {
    rustix::mount::unmount(target, UnmountFlags::DETACH)
        .map_err(Trouble::at(format!("umount of {}", target.display())))
}

/// The inode number that names a namespace of this process (`pid`, `pid_for_children`, `user`, …).
///
/// # Errors
/// There is none, or none such.
pub fn namespace(name: &str) -> Result<u64, Trouble> {
    let path = format!("/proc/self/ns/{name}");
    let link = fs::read_link(&path).map_err(Trouble::at(format!("reading {path}")))?;
    let link = link.to_string_lossy().into_owned();
    link.split_once('[')
        .and_then(|(_, rest)| rest.strip_suffix(']')?.parse().ok())
        .ok_or_else(|| Trouble::Odd(format!("{path} is {link:?}")))
}

/// Goes on as the first process of a new pid namespace, and answers the pid that the namespace of the
/// caller gives it. The caller itself stays behind as its parent and ends with it.
///
/// # Errors
/// A step of it was refused.
pub fn enter_pid_namespace(more_flags: i32) -> Result<i32, Trouble> {
    let (from, to) = pipe()?;
    unshare(libc::CLONE_NEWPID | more_flags, "CLONE_NEWPID")?;
    if let Some(init) = fork("fork into a pid namespace")? {
        let _ = rustix::io::write(&to, &init.to_ne_bytes());
        // The link is the child's now.
        close_from(0);
        reap(init);
        exit(0);
    }
    die_with_parent();
    let mut outer = [0; 4];
    match rustix::io::read(&from, &mut outer) {
        Ok(4) if process::pid() == 1 => Ok(i32::from_ne_bytes(outer)),
        Ok(4) => Err(Trouble::Odd(format!(
            "the first process of a pid namespace has the id {}",
            process::pid()
        ))),
        _ => Err(Trouble::Odd("no pid from the parent".to_owned())),
    }
}

/// Whether it can be read how many namespaces a user has: since Linux 5.14 a process has these counts at hand, those of
/// its real uid; before, [`ucounts_table_is_shown`] decides.
///
/// # Errors
///
/// /proc/kallsyms can't be read.
pub fn namespaces_are_counted() -> io::Result<bool> {
    Ok(super::kernel() >= (5, 14) || ucounts_table_is_shown()?)
}

/// Whether /proc/kallsyms has the kernel's table of counts by user (kernel/ucount.c `ucounts_hashtable`): kernels without
/// KALLSYMS_ALL don't show it.
///
/// # Errors
///
/// /proc/kallsyms can't be read.
pub fn ucounts_table_is_shown() -> io::Result<bool> {
    for line in BufReader::new(File::open("/proc/kallsyms")?).lines() {
        if line?.ends_with(" ucounts_hashtable") {
            return Ok(true);
        }
    }
    Ok(false)
}
