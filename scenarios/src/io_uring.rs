//! As little of io_uring(7) as makes the kernel want a worker, or pin a page.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{Ordering, fence};

use anyhow::{Result, bail};

use crate::sys;

const SYS_IO_URING_SETUP: i64 = 425;
const SYS_IO_URING_ENTER: i64 = 426;
const SYS_IO_URING_REGISTER: i64 = 427;
const IORING_REGISTER_BUFFERS: i32 = 0;
const ENTRIES: u32 = 4;
const IORING_OFF_SQES: i64 = 0x1000_0000;
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
pub struct Ring {
    fd: RawFd,
}

impl Ring {
    /// Without a request.
    pub fn empty() -> Result<Self> {
        Ok(Self { fd: set_up()?.0 })
    }

    /// Registers a buffer, whose pages are pinned from now on.
    pub fn pin(&self, buffer: *mut u8, bytes: usize) -> Result<()> {
        let buffers = [libc::iovec {
            iov_base: buffer.cast(),
            iov_len: bytes,
        }];
        // SAFETY: one buffer, of the caller's own memory.
        let answer = unsafe {
            libc::syscall(
                SYS_IO_URING_REGISTER,
                self.fd,
                IORING_REGISTER_BUFFERS,
                buffers.as_ptr(),
                buffers.len(),
            )
        };
        sys::check(answer, "io_uring_register")?;
        Ok(())
    }

    /// With one request in it, ready to go: a read that blocks. `blocking`: a
    /// descriptor from which nothing comes. An earlier request has had the kernel
    /// make what the first one needs.
    pub fn new(blocking: RawFd) -> Result<Self> {
        let (fd, params) = set_up()?;
        let queue = map(fd, 0, params.sq_array as usize + 4 * ENTRIES as usize)?;
        let entries = map(fd, IORING_OFF_SQES, SQE * ENTRIES as usize)?;
        let buffer = sys::map(4096)?;
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
            entry.add(16).cast::<u64>().write(buffer as u64);
            entry.add(24).cast::<u32>().write(1);
        }
        hand_over(1);
        Ok(ring)
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

fn set_up() -> Result<(RawFd, Params)> {
    let mut params = Params::default();
    // SAFETY: the struct is the call's and outlives it.
    let fd = unsafe { libc::syscall(SYS_IO_URING_SETUP, ENTRIES, &raw mut params) };
    sys::check(fd, "io_uring_setup")?;
    Ok((fd as RawFd, params))
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
