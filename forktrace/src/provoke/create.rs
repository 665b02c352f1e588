//! Asking the kernel for a process or a thread by exactly the system call that
//! is named, without libc in between: clone(2) and clone3(2).

use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use forktrace_common::clone;

use super::{arch, sys};

/// What makes a thread.
pub const THREAD_FLAGS: i32 = libc::CLONE_VM
    | libc::CLONE_FS
    | libc::CLONE_FILES
    | libc::CLONE_SIGHAND
    | libc::CLONE_THREAD
    | libc::CLONE_SYSVSEM;

/// `struct clone_args` (include/uapi/linux/sched.h) up to `cgroup`. Older kernels take it as
/// long as what they don't know is 0.
#[repr(C)]
#[derive(Clone, Copy, Default)]
#[expect(missing_docs, reason = "clone(2) has its fields")]
pub struct CloneArgs {
    pub flags: u64,
    pub pidfd: u64,
    pub child_tid: u64,
    pub parent_tid: u64,
    pub exit_signal: u64,
    pub stack: u64,
    pub stack_size: u64,
    pub tls: u64,
    pub set_tid: u64,
    pub set_tid_size: u64,
    pub cgroup: u64,
}

impl CloneArgs {
    /// Those of a process.
    pub fn process() -> Self {
        Self {
            exit_signal: libc::SIGCHLD as u64,
            ..Self::default()
        }
    }

    /// The child asks for these ids, innermost pid namespace first.
    fn numbered(self, ids: &[i32]) -> Self {
        Self {
            set_tid: ids.as_ptr() as u64,
            set_tid_size: ids.len() as u64,
            ..self
        }
    }
}

/// A system call that takes nothing and creates a task; the child exits at once. The answer or the
/// negative errno.
///
/// # Safety
/// `number` is such a call.
pub unsafe fn plain(number: i64) -> isize {
    // SAFETY: the caller's word; the child only exits.
    unsafe { arch::create(number, [0; 5]) }
}

/// clone(2) without a stack of its own, of a child that exits at once; the answer or the negative errno.
pub fn clone(flags: i32) -> isize {
    // SAFETY: no pointer is passed, and the child only exits.
    unsafe { arch::create(libc::SYS_clone, [flags as usize, 0, 0, 0, 0]) }
}

/// clone3(2), likewise. What the arguments point to has to be alive.
pub fn clone3(args: &CloneArgs) -> isize {
    let at = std::ptr::from_ref(args) as usize;
    // SAFETY: the struct is as long as is said, and the child only exits.
    unsafe { arch::create(libc::SYS_clone3, [at, size_of::<CloneArgs>(), 0, 0, 0]) }
}

/// clone3(2) with its arguments where `at` says, which the kernel may be unable to read.
///
/// # Safety
/// There are zeros, or nothing: no child shares this process's memory.
pub unsafe fn clone3_at(at: usize) -> isize {
    // SAFETY: the caller's word; the child only exits.
    unsafe { arch::create(libc::SYS_clone3, [at, size_of::<CloneArgs>(), 0, 0, 0]) }
}

/// What an attempt at a process came to: the errno, 0 when it was granted. The child that comes of it
/// has ended and been waited for.
pub fn concluded(answer: isize) -> i32 {
    if answer < 0 {
        return -answer as i32;
    }
    sys::reap(answer as i32);
    0
}

/// One attempt at a process by clone(2) with these flags; the errno, as [`concluded`].
pub fn attempt(flags: i32) -> i32 {
    concluded(clone(flags | libc::SIGCHLD))
}

/// One attempt at a process with these ids, innermost pid namespace first
/// (clone3(2) `set_tid`); like [`attempt`].
pub fn attempt_numbered(ids: &[i32]) -> i32 {
    concluded(clone3(&CloneArgs::process().numbered(ids)))
}

/// One attempt at a process with a pidfd; like [`attempt`].
pub fn attempt_with_pidfd() -> i32 {
    let mut pidfd: RawFd = -1;
    let errno = concluded(clone3(&CloneArgs {
        flags: clone::PIDFD,
        pidfd: &raw mut pidfd as u64,
        ..CloneArgs::process()
    }));
    if errno == 0 {
        // SAFETY: the kernel has just made it, nobody else has it.
        drop(unsafe { OwnedFd::from_raw_fd(pidfd) });
    }
    errno
}

/// One attempt at a process in the cgroup (v2) whose folder is open there; like
/// [`attempt`].
pub fn attempt_into_cgroup(folder: RawFd) -> i32 {
    concluded(clone3(&CloneArgs {
        flags: clone::INTO_CGROUP,
        cgroup: folder as u64,
        ..CloneArgs::process()
    }))
}

/// A copy of this process that goes on: `None` in the child, which has to end with [`sys::exit`] and
/// makes system calls only. The errno when it was refused.
///
/// # Safety
/// `number` is a call that creates a process with memory of its own, `args` are valid for it.
unsafe fn copied(number: i64, args: [usize; 2]) -> Result<Option<i32>, i32> {
    // SAFETY: the caller's word; five arguments are as many as clone(2) takes.
    let answer = unsafe { libc::syscall(number, args[0], args[1], 0, 0, 0) };
    match i32::try_from(answer) {
        Ok(0) => Ok(None),
        Ok(pid) if pid > 0 => Ok(Some(pid)),
        _ => Err(sys::errno()),
    }
}

/// A copy of this process by clone(2): `None` in the child, which has to end with [`sys::exit`] and
/// makes system calls only.
///
/// # Errors
/// The errno, when it was refused.
pub fn copy() -> Result<Option<i32>, i32> {
    // SAFETY: without CLONE_VM the child is a copy.
    unsafe { copied(libc::SYS_clone, [libc::SIGCHLD as usize, 0]) }
}

/// The same by a call that takes nothing, as fork(2) where there is one.
///
/// # Safety
/// `number` is a call that creates a process with memory of its own.
///
/// # Errors
/// The errno, when it was refused.
pub unsafe fn copy_by(number: i64) -> Result<Option<i32>, i32> {
    // SAFETY: the caller's word.
    unsafe { copied(number, [0; 2]) }
}

/// The same by clone3(2), with a number of one's own choice.
///
/// # Errors
/// The errno, when it was refused.
pub fn copy_numbered(pid: i32) -> Result<Option<i32>, i32> {
    let ids = [pid];
    let args = CloneArgs::process().numbered(&ids);
    let at = [&raw const args as usize, size_of::<CloneArgs>()];
    // SAFETY: a struct that is as long as is said and shares no memory.
    unsafe { copied(libc::SYS_clone3, at) }
}
