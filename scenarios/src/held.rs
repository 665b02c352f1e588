//! A page that nobody can read until it is given: who passes it to a system call waits within that call.
//!
//! userfaultfd(2), which kernels may lack (CONFIG_USERFAULTFD).

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use anyhow::{Result, ensure};
use forktrace::arch::Page;

/// A page of zeros, once it is there.
pub(crate) struct Held {
    faults: OwnedFd,
    at: usize,
    length: usize,
}

// include/uapi/linux/userfaultfd.h
const UFFD_API: u64 = 0xaa;
const UFFDIO_REGISTER_MODE_MISSING: u64 = 1;
const UFFDIO_API: u64 = 0xc018_aa3f;
const UFFDIO_REGISTER: u64 = 0xc020_aa00;
const UFFDIO_ZEROPAGE: u64 = 0xc020_aa04;

impl Held {
    pub(crate) fn new() -> Result<Self> {
        let length = Page::here().times(1) as usize;
        // SAFETY: makes a descriptor; no pointer is passed.
        let fd = unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) };
        ensure!(fd >= 0, "userfaultfd: {}", io::Error::last_os_error());
        // SAFETY: the kernel has just made it, nobody else has it.
        let faults = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        ensure!(at != libc::MAP_FAILED, "mmap of a page");
        let held = Self {
            faults,
            at: at as usize,
            length,
        };
        held.ask(UFFDIO_API, [UFFD_API, 0, 0, 0])?;
        held.ask(UFFDIO_REGISTER, held.range(UFFDIO_REGISTER_MODE_MISSING))?;
        Ok(held)
    }

    /// Its address.
    pub(crate) fn address(&self) -> usize {
        self.at
    }

    /// Gives it.
    pub(crate) fn give(&self) -> Result<()> {
        self.ask(UFFDIO_ZEROPAGE, self.range(0))
    }

    fn range(&self, mode: u64) -> [u64; 4] {
        [self.at as u64, self.length as u64, mode, 0]
    }

    /// Each of these requests has a struct of three or four words.
    fn ask(&self, request: u64, mut words: [u64; 4]) -> Result<()> {
        // SAFETY: the words are as many as the request reads and writes.
        let done =
            unsafe { libc::ioctl(self.faults.as_raw_fd(), request as _, words.as_mut_ptr()) };
        let error = || io::Error::last_os_error();
        ensure!(done == 0, "userfaultfd, request {request:#x}: {}", error());
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: its own mapping, which nobody uses any more.
        unsafe { libc::munmap(self.at as *mut _, self.length) };
    }
}
