//! arm64.

use crate::attempt::Kind;

/// The system calls that create.
pub const CREATIONS: &[i64] = &[libc::SYS_clone, libc::SYS_clone3];

/// Every way to ask, threads by both calls.
pub const EVERY: &[Kind] = &[
    Kind::CloneProcess,
    Kind::CloneThread,
    Kind::Clone3,
    Kind::Clone3Thread,
];
/// Each system call once.
pub const ALL: &[Kind] = &[Kind::CloneProcess, Kind::CloneThread, Kind::Clone3];
/// Those that make a process.
pub const PROCESSES: &[Kind] = &[Kind::CloneProcess, Kind::Clone3];
/// Those that copy the address space.
pub const COPIES: &[Kind] = &[Kind::CloneProcess, Kind::Clone3];
/// The plainest.
pub const PLAIN: Kind = Kind::CloneProcess;
/// There is no call for a process that shares the caller's address space: a thread.
pub const SHARING: Kind = Kind::CloneThread;

const NONE: isize = -(libc::ENOSYS as isize);

/// There is no fork(2).
pub fn fork() -> isize {
    NONE
}

/// There is no vfork(2).
pub fn vfork() -> isize {
    NONE
}

/// There is no fork(2).
pub fn copy_by_fork() -> Result<Option<i32>, i32> {
    Err(libc::ENOSYS)
}

/// x32 is x86's: no call has a number there.
pub const X32: i64 = 0x4000_0000;

/// Where a function's first, third and fourth argument are at its entry, as tracefs calls them.
pub const FIRST: &str = "%x0";
pub const THIRD: &str = "%x2";
pub const FOURTH: &str = "%x3";

/// 32-bit system calls, which 64-bit code can't make here.
pub mod compat {
    /// Those that create.
    pub const CREATIONS: &[i64] = &[];
    /// Others, with the numbers that creations have in 64-bit code.
    pub const OTHERS: &[i64] = &[];

    /// They don't.
    pub fn works() -> bool {
        false
    }

    /// There is none.
    pub fn fork() -> isize {
        super::NONE
    }

    /// There is none.
    pub fn vfork() -> isize {
        super::NONE
    }

    /// There is none.
    pub fn execve() -> isize {
        super::NONE
    }

    /// There is none.
    pub fn refused_call(_: i64) -> isize {
        super::NONE
    }
}
