//! As little of io_uring(7) as makes the kernel want a worker.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{Ordering, fence};

use anyhow::{Result, bail};

use crate::sys;

const SYS_IO_URING_SETUP: i64 = 425;
const SYS_IO_URING_ENTER: i64 = 426;
const ENTRIES: u32 = 4;
const IORING_OFF_SQES: i64 = 0x1000_0000;
const IORING_OP_READ: u8 = 22;
/// The request goes to a worker at once.
const IOSQE_ASYNC: u8 = 1 << 4;
/// Bytes of a submission queue entry.
const SQE: usize = 64;

/// `struct io_uring_params` (include/uapi/linux/io_uring.h).
#[repr(C)]
#[derive(Default)]
struct Params {
    entries_and_flags: [u32; 10],
    sq_head: u32,
    sq_tail: u32,
    sq_mask: u32,
    sq_entries: u32,
    sq_flags: u32,
    sq_dropped: u32,
    sq_array: u32,
    sq_reserved: [u32; 3],
    cq: [u32; 10],
}

/// A ring with one request in it, ready to go: a read that blocks.
pub struct Ring {
    fd: RawFd,
}

impl Ring {
    /// `blocking`: a descriptor from which nothing comes.
    pub fn new(blocking: RawFd) -> Result<Self> {
        let mut params = Params::default();
        // SAFETY: the struct is the call's and outlives it.
        let fd = unsafe { libc::syscall(SYS_IO_URING_SETUP, ENTRIES, &raw mut params) };
        sys::check(fd, "io_uring_setup")?;
        let fd = fd as RawFd;
        let queue = map(fd, 0, params.sq_array as usize + 4 * ENTRIES as usize)?;
        let entry = map(fd, IORING_OFF_SQES, SQE * ENTRIES as usize)?;
        let buffer = sys::map(4096)?;
        // SAFETY: within the mappings, at the offsets that the kernel gave;
        // nobody else looks before the tail is moved.
        unsafe {
            entry.write(IORING_OP_READ);
            entry.add(1).write(IOSQE_ASYNC);
            entry.add(4).cast::<i32>().write(blocking);
            entry.add(8).cast::<u64>().write(u64::MAX);
            entry.add(16).cast::<u64>().write(buffer as u64);
            entry.add(24).cast::<u32>().write(1);
            queue.add(params.sq_array as usize).cast::<u32>().write(0);
            fence(Ordering::SeqCst);
            queue.add(params.sq_tail as usize).cast::<u32>().write(1);
        }
        Ok(Self { fd })
    }

    /// Hands the request in.
    pub fn submit(&self) -> Result<()> {
        // SAFETY: no pointer that matters.
        let taken = unsafe { libc::syscall(SYS_IO_URING_ENTER, self.fd, 1, 0, 0, 0, 0) };
        if taken != 1 {
            bail!(
                "io_uring_enter answered {taken}: {}",
                io::Error::last_os_error()
            );
        }
        Ok(())
    }
}

fn map(fd: RawFd, offset: i64, bytes: usize) -> Result<*mut u8> {
    // SAFETY: a new mapping at an address of the kernel's choice.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            fd,
            offset,
        )
    };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error().into());
    }
    Ok(at.cast())
}
