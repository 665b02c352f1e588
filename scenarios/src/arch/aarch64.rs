//! arm64.

pub(crate) mod code32;

use super::OldCalls;
use crate::attempt::Kind;

/// The system calls that create.
pub(crate) const CREATIONS: &[i64] = &[libc::SYS_clone, libc::SYS_clone3];

/// Every way to ask, threads by both calls.
pub(crate) const EVERY: &[Kind] = &[
    Kind::CloneProcess,
    Kind::CloneThread,
    Kind::Clone3,
    Kind::Clone3Thread,
];
/// Each system call once.
pub(crate) const ALL: &[Kind] = &[Kind::CloneProcess, Kind::CloneThread, Kind::Clone3];
/// Those that make a process.
pub(crate) const PROCESSES: &[Kind] = &[Kind::CloneProcess, Kind::Clone3];
/// Those that copy the address space.
pub(crate) const COPIES: &[Kind] = &[Kind::CloneProcess, Kind::Clone3];
/// The plainest.
pub(crate) const PLAIN: Kind = Kind::CloneProcess;
/// There is no call for a process that shares the caller's address space: a thread.
pub(crate) const SHARING: Kind = Kind::CloneThread;

const NONE: isize = -(libc::ENOSYS as isize);

/// There is no fork(2).
pub(crate) fn fork() -> isize {
    NONE
}

/// There is no vfork(2).
pub(crate) fn vfork() -> isize {
    NONE
}

/// There is no fork(2).
pub(crate) fn copy_by_fork() -> Result<Option<i32>, i32> {
    Err(libc::ENOSYS)
}

/// x32 is x86's: no call has a number there.
pub(crate) const X32: i64 = 0x4000_0000;

/// Where a function's first, third and fourth argument are at its entry, as tracefs calls them.
pub(crate) const FIRST: &str = "%x0";
pub(crate) const THIRD: &str = "%x2";
pub(crate) const FOURTH: &str = "%x3";

/// The least guard that glibc puts below a stack (ARCH_MIN_GUARD_SIZE).
pub(crate) const LEAST_GUARD: usize = 64 << 10;

/// System calls that newer ones have taken the place of: there are none.
pub(crate) const OLD_CALLS: Option<OldCalls> = None;

/// 32-bit system calls, which 64-bit code can't make here.
pub(crate) mod compat {
    /// Those that create.
    pub(crate) const CREATIONS: &[i64] = &[];
    /// Others, with the numbers that creations have in 64-bit code.
    pub(crate) const OTHERS: &[i64] = &[];

    /// They don't.
    pub(crate) fn works() -> bool {
        false
    }

    /// There is none.
    pub(crate) fn fork() -> isize {
        super::NONE
    }

    /// There is none.
    pub(crate) fn vfork() -> isize {
        super::NONE
    }

    /// There is none.
    pub(crate) fn execve() -> isize {
        super::NONE
    }

    /// There is none.
    pub(crate) fn refused_call(_: i64) -> isize {
        super::NONE
    }
}
