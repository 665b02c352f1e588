//! x86-64.

pub(crate) mod code32;
pub(crate) mod compat;

use forktrace::provoke::create;

use super::OldCalls;
use crate::attempt::Kind;

/// The system calls that create.
pub(crate) const CREATIONS: &[i64] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_clone,
    libc::SYS_clone3,
];

/// Every way to ask, threads by both calls.
pub(crate) const EVERY: &[Kind] = &[
    Kind::Fork,
    Kind::Vfork,
    Kind::CloneProcess,
    Kind::CloneThread,
    Kind::Clone3,
    Kind::Clone3Thread,
];
/// Each system call once.
pub(crate) const ALL: &[Kind] = &[Kind::Fork, Kind::Vfork, Kind::CloneThread, Kind::Clone3];
/// Those that make a process.
pub(crate) const PROCESSES: &[Kind] = &[Kind::Fork, Kind::Vfork, Kind::CloneProcess, Kind::Clone3];
/// Those that copy the address space.
pub(crate) const COPIES: &[Kind] = &[Kind::Fork, Kind::CloneProcess, Kind::Clone3];
/// The plainest.
pub(crate) const PLAIN: Kind = Kind::Fork;
/// A process that shares the caller's address space.
pub(crate) const SHARING: Kind = Kind::Vfork;

/// fork(2) of a child that exits at once; the answer or the negative errno.
pub(crate) fn fork() -> isize {
    // SAFETY: takes nothing.
    unsafe { create::plain(libc::SYS_fork) }
}

/// vfork(2), likewise.
pub(crate) fn vfork() -> isize {
    // SAFETY: takes nothing.
    unsafe { create::plain(libc::SYS_vfork) }
}

/// fork(2) of a child that goes on: `None` there.
pub(crate) fn copy_by_fork() -> Result<Option<i32>, i32> {
    // SAFETY: the child is a copy.
    unsafe { create::copy_by(libc::SYS_fork) }
}

/// Added to the number of a system call of x32 programs (__X32_SYSCALL_BIT).
pub(crate) const X32: i64 = 0x4000_0000;

/// Where a function's first, third and fourth argument are at its entry, as tracefs calls them.
pub(crate) const FIRST: &str = "%di";
pub(crate) const THIRD: &str = "%dx";
pub(crate) const FOURTH: &str = "%cx";

/// The least guard that glibc puts below a stack: it is a page in any case.
pub(crate) const LEAST_GUARD: usize = 4 << 10;

/// System calls that newer ones have taken the place of.
pub(crate) const OLD_CALLS: Option<OldCalls> = Some(OldCalls {
    open: libc::SYS_open,
    unlink: libc::SYS_unlink,
});
