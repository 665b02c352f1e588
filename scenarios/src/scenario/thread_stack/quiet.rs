//! What must not be recorded: threads that are created, memory that is no thread's
//! stack, and stacks where nobody asked for them.

use std::io;

use anyhow::{Result, ensure};
use forktrace::provoke::sys;

use super::caller::{MIB, Rlimit, bare, granted, guarded, must_be_refused, thread, unrecorded};
use crate::scenario::{Place, Run};

pub(super) fn success(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid) in [("stok-root", 0), ("stok-user", place.uid(78))] {
        granted(&mut run, comm, |link| {
            sys::become_uid(uid)?;
            link.step();
            let mut all = Vec::new();
            for n in 0..40 {
                all.push(thread(if n % 2 == 0 {
                    guarded(3 + n)
                } else {
                    bare(3 + n)
                }));
            }
            link.ready(all);
            Ok(())
        })?;
    }
    Ok(run)
}

/// RLIMIT_DATA has no room, and yet mprotect grants it: `mprotect_fixup`
/// refuses only what passes for the old protection, and with less than one
/// more stack left under RLIMIT_AS that doesn't pass either.
pub(super) fn data_unasked(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    granted(&mut run, "st-unasked", |link| {
        link.step();
        Rlimit::AS.leave_room(30 * MIB)?;
        Rlimit::DATA.leave_room(4 * MIB)?;
        link.ready(vec![thread(guarded(16))]);
        Ok(())
    })?;
    Ok(run)
}

/// mmap; the errno, or 0 and where.
fn mmap(bytes: u64, prot: i32, flags: i32) -> (i32, *mut libc::c_void) {
    // SAFETY: a new mapping, nothing that exists is touched.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes as usize,
            prot,
            flags | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return (errno, at);
    }
    (0, at)
}

/// mprotect to readable and writable; the errno or 0.
/// Takes a part of a mapping away.
fn cut(at: *mut libc::c_void, from: u64, bytes: u64) -> io::Result<()> {
    // SAFETY: within the caller's own mapping, which nobody looks into.
    match unsafe { libc::munmap(at.byte_add(from as usize), bytes as usize) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn open_up(at: *mut libc::c_void, from: u64, bytes: u64) -> i32 {
    // SAFETY: within the caller's own mapping.
    let answer = unsafe {
        libc::mprotect(
            at.byte_add(from as usize),
            bytes as usize,
            libc::PROT_READ | libc::PROT_WRITE,
        )
    };
    if answer == 0 {
        return 0;
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// What is refused by the same limits and is no thread's stack.
pub(super) fn ordinary(_: &Place) -> Result<Run> {
    const REFUSED: i32 = libc::ENOMEM;
    let private = libc::MAP_PRIVATE;
    let stack = libc::MAP_PRIVATE | libc::MAP_STACK;
    let mut run = Run::default();
    unrecorded(&mut run, "st-ordinary", |link| {
        link.step();
        Rlimit::AS.leave_room(900 * MIB)?;
        Rlimit::DATA.leave_room(8 * MIB)?;
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        ensure!(mmap(1000 * MIB, 0, private).0 == REFUSED, "RLIMIT_AS");
        ensure!(
            mmap(20 * MIB, writable, private).0 == REFUSED,
            "RLIMIT_DATA"
        );
        let shared = libc::MAP_SHARED | libc::MAP_STACK;
        ensure!(mmap(1000 * MIB, 0, shared).0 == REFUSED, "shared memory");
        // An arena of malloc grows by mprotect.
        let (errno, arena) = mmap(64 * MIB, 0, private | libc::MAP_NORESERVE);
        ensure!(errno == 0 && open_up(arena, 0, MIB) == 0, "an arena");
        ensure!(open_up(arena, 0, 40 * MIB) == REFUSED, "its growth");
        // A stack was mapped before, and something else is refused.
        let (errno, _) = mmap(16 * MIB, 0, stack);
        ensure!(
            errno == 0 && open_up(arena, 0, 40 * MIB) == REFUSED,
            "beside"
        );
        // A stack that is in use already is memory as any other.
        let (errno, used) = mmap(32 * MIB, 0, stack);
        ensure!(errno == 0 && open_up(used, MIB, MIB) == 0, "a stack");
        ensure!(open_up(used, 0, 32 * MIB) == REFUSED, "its growth");
        // Beyond what was mapped: a hole, for what lies above the mapping can be of the kernel's, which refuses otherwise.
        let (errno, small) = mmap(8 * MIB, 0, stack);
        ensure!(errno == 0, "a small one");
        cut(small, 4 * MIB, 4 * MIB)?;
        ensure!(open_up(small, MIB, 900 * MIB) == REFUSED, "too far");
        // Another errno.
        ensure!(mmap(0, 0, stack).0 == libc::EINVAL, "no size");
        link.step();
        Ok(())
    })?;
    Ok(run)
}

pub(super) fn without_option(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let attempts = unrecorded(&mut run, "st-unasked", |link| {
        link.step();
        Rlimit::AS.leave_room(10 * MIB)?;
        link.ready(vec![thread(guarded(12))]);
        Ok(())
    })?;
    must_be_refused(&attempts)?;
    Ok(run)
}
