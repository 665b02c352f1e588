//! Descriptors, of which a child that goes on keeps only its own.

use std::{
    array, mem,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    pipe::PipeFlags,
};

use super::answer::check;
use crate::provoke::trouble::Trouble;

/// Two ends of a pipe that programs don't inherit: to read from, to write to.
///
/// # Errors
/// It was refused.
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Trouble> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(Trouble::at("pipe2"))
}

/// Waits until there is something to read, or nobody who would write it, at most so long; whether
/// there is. Signals end it early.
pub fn readable(fd: &impl AsFd, patience: Duration) -> bool {
    let mut poll = [PollFd::new(fd, PollFlags::IN)];
    let patience = Timespec::try_from(patience).ok();
    rustix::event::poll(&mut poll, patience.as_ref()).is_ok_and(|ready| ready > 0)
}

/// Closes every descriptor from `first` on. For children: what is theirs no
/// more must not be held open by them.
pub fn close_from(first: RawFd) {
    // SAFETY: the child goes on with none of them.
    unsafe {
        // close_range(2) is there since Linux 5.9.
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) != 0 {
            for fd in first..1024 {
                libc::close(fd);
            }
        }
    }
}

/// Keeps the standard files and these, which get the numbers from 3 on, and programs inherit them; the
/// rest is closed. For children.
pub fn keep_only<const N: usize>(kept: [OwnedFd; N]) -> [OwnedFd; N] {
    const FIRST: RawFd = 3;
    // Out of the way of all the numbers that they get.
    const ASIDE: RawFd = 100;
    // SAFETY: moves descriptors about that only this child has from now on.
    let moved = unsafe {
        let aside = kept
            .each_ref()
            .map(|fd| libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, ASIDE));
        // Their numbers may be among those that are given here.
        mem::forget(kept);
        array::from_fn(|n| OwnedFd::from_raw_fd(libc::dup2(aside[n], FIRST + n as RawFd)))
    };
    close_from(FIRST + N as RawFd);
    moved
}

/// Whoever reads what the parent writes need not wait for this child as well.
pub fn leave_input_and_output() {
    // SAFETY: neither is used in this child.
    unsafe {
        libc::close(0);
        libc::close(1);
    }
}

/// Uses up the descriptors that the limit leaves.
pub fn fill_descriptors() {
    while let Ok(copy) = rustix::io::dup(std::io::stdin()) {
        // Open to the end.
        mem::forget(copy);
    }
}

/// A copy of standard input's descriptor with this number.
///
/// # Errors
/// It was refused.
pub fn open_at(fd: RawFd) -> Result<(), Trouble> {
    // SAFETY: takes numbers only; the number is not in use.
    let answer = unsafe { libc::dup2(0, fd) };
    check(answer, &format!("dup2 to {fd}"))?;
    Ok(())
}
