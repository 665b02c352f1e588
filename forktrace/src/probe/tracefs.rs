//! Ids of tracepoints, from a tracefs of one's own.
//!
//! tracefs isn't mounted everywhere, and mounting it would change the host. A
//! mount made with fsopen(2) and fsmount(2) and never attached is visible to
//! nobody but the holder of its file descriptor, and goes when that closes.

use std::{
    ffi::CStr,
    io::{self, Read as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

/// A file system that only this process can see.
pub(super) struct Detached(OwnedFd);

const FSOPEN_CLOEXEC: libc::c_uint = 1;
const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
const FSMOUNT_CLOEXEC: libc::c_uint = 1;

impl Detached {
    /// Mounts it, detached (Linux 5.2+). EPERM without CAP_SYS_ADMIN or under
    /// lockdown=confidentiality.
    pub(super) fn mount(kind: &CStr) -> io::Result<Self> {
        let context = syscall_fd(
            libc::SYS_fsopen,
            [kind.as_ptr() as usize, FSOPEN_CLOEXEC as usize, 0, 0, 0],
        )?;
        // SAFETY: a live file descriptor; the pointers are null as the command wants.
        let rc = unsafe {
            libc::syscall(
                libc::SYS_fsconfig,
                context.as_raw_fd(),
                FSCONFIG_CMD_CREATE,
                0usize,
                0usize,
                0,
            )
        };
        if rc < 0 {
            return Err(io::Error::last_os_error());
        }
        syscall_fd(
            libc::SYS_fsmount,
            [
                context.as_raw_fd() as usize,
                FSMOUNT_CLOEXEC as usize,
                0,
                0,
                0,
            ],
        )
        .map(Self)
    }

    /// Opens one of its files for reading.
    pub(super) fn open(&self, path: &CStr) -> io::Result<std::fs::File> {
        open_at(&self.0, path)
    }
}

/// A tracefs that only this process can see.
pub(super) struct Tracefs(Detached);

impl Tracefs {
    /// See [`Detached::mount`].
    pub(super) fn open() -> io::Result<Self> {
        Detached::mount(c"tracefs").map(Self)
    }

    /// The id of a tracepoint, as perf_event_open(2) wants it.
    pub(super) fn tracepoint_id(&self, category: &str, name: &str) -> io::Result<u64> {
        let path = std::ffi::CString::new(format!("events/{category}/{name}/id"))?;
        let mut text = String::new();
        self.0.open(&path)?.read_to_string(&mut text)?;
        text.trim().parse().map_err(io::Error::other)
    }
}

fn open_at(folder: &OwnedFd, path: &CStr) -> io::Result<std::fs::File> {
    // SAFETY: a live file descriptor and a NUL-terminated path.
    let fd = unsafe {
        libc::openat(
            folder.as_raw_fd(),
            path.as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { std::fs::File::from_raw_fd(fd) })
}

/// A system call that answers a file descriptor.
pub(super) fn syscall_fd(number: libc::c_long, args: [usize; 5]) -> io::Result<OwnedFd> {
    // SAFETY: callers pass arguments that are valid for this call.
    let fd = unsafe { libc::syscall(number, args[0], args[1], args[2], args[3], args[4]) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}
