//! How much room a file system has.

use std::{fs::File, io, mem::MaybeUninit, os::fd::AsRawFd as _};

/// Bytes that a caller without privilege could still write where the file is.
pub(super) fn free(file: &File) -> io::Result<u64> {
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: an open file, and room for the answer.
    let status = unsafe { libc::fstatvfs(file.as_raw_fd(), answer.as_mut_ptr()) };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: integers, zeroed before and filled in by the call.
    let answer = unsafe { answer.assume_init() };
    Ok(answer.f_bavail.saturating_mul(answer.f_frsize))
}
