//! As little of io_uring(7) as makes the kernel want a worker.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{Ordering, fence};

use anyhow::{Result, bail};
use forktrace::provoke::sys;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use crate::arch::page;

const ENTRIES: u32 = 4;
const IORING_OFF_SQES: u64 = 0x1000_0000;
const IORING_OP_NOP: u8 = 0;
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

/// A ring; it lasts as long as its process.
pub(crate) struct Ring {
    fd: RawFd,
}

impl Ring {
    /// With one request in it, ready to go: a read that blocks. `blocking`: a
    /// descriptor from which nothing comes. An earlier request has had the kernel
    /// make what the first one needs.
    pub(crate) fn new(blocking: RawFd) -> Result<Self> {
        let (fd, params) = set_up()?;
        let queue = map(fd, 0, params.sq_array as usize + 4 * ENTRIES as usize)?;
        let entries = map(fd, IORING_OFF_SQES, SQE * ENTRIES as usize)?;
        let buffer = sys::map(page() as u64)?;
        let ring = Self { fd };
        let hand_over = |number: u32| {
            // SAFETY: within the mapping, at the offsets that the kernel gave.
            unsafe {
                let order = queue.add(params.sq_array as usize).cast::<u32>();
                order.add(number as usize).write(number);
                fence(Ordering::SeqCst);
                queue
                    .add(params.sq_tail as usize)
                    .cast::<u32>()
                    .write(number + 1);
            }
        };
        // SAFETY: within the mapping; nobody else looks before the tail is moved.
        unsafe { entries.write(IORING_OP_NOP) };
        hand_over(0);
        ring.submit()?;
        // SAFETY: as above, the second entry.
        unsafe {
            let entry = entries.add(SQE);
            entry.write(IORING_OP_READ);
            entry.add(1).write(IOSQE_ASYNC);
            entry.add(4).cast::<i32>().write(blocking);
            entry.add(8).cast::<u64>().write(u64::MAX);
            entry.add(16).cast::<u64>().write(buffer.start() as u64);
            entry.add(24).cast::<u32>().write(1);
        }
        hand_over(1);
        Ok(ring)
    }

    /// Hands the request in.
    pub(crate) fn submit(&self) -> Result<()> {
        // SAFETY: no pointer that matters.
        let taken = unsafe { libc::syscall(libc::SYS_io_uring_enter, self.fd, 1, 0, 0, 0, 0) };
        if taken != 1 {
            bail!(
                "io_uring_enter answered {taken}: {}",
                io::Error::last_os_error()
            );
        }
        Ok(())
    }
}

fn set_up() -> Result<(RawFd, Params)> {
    let mut params = Params::default();
    // SAFETY: the struct is the call's and outlives it.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, &raw mut params) };
    sys::check(fd, "io_uring_setup")?;
    Ok((fd as RawFd, params))
}

fn map(fd: RawFd, offset: u64, bytes: usize) -> Result<*mut u8> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    let flags = MapFlags::SHARED | MapFlags::POPULATE;
    // SAFETY: a new mapping at an address of the kernel's choice, of a ring that stays open.
    let at = unsafe {
        let ring = BorrowedFd::borrow_raw(fd);
        mmap(std::ptr::null_mut(), bytes, prot, flags, ring, offset)?
    };
    Ok(at.cast())
}
