//! The kernel's functions of system calls (arch/arm64/include/asm/syscall_wrapper.h).

/// execve(2) of a 64-bit program.
pub const EXECVE: &str = "__arm64_sys_execve";
/// execveat(2) of a 64-bit program.
pub const EXECVEAT: &str = "__arm64_sys_execveat";

/// execve(2) of a 32-bit program.
pub const COMPAT_EXECVE: &str = "__arm64_compat_sys_execve";
/// execveat(2) of a 32-bit program.
pub const COMPAT_EXECVEAT: &str = "__arm64_compat_sys_execveat";

/// mprotect(2), which has no function beneath it up to 6.11: without pkey_mprotect(2)
/// `do_mprotect_pkey` is part of it.
pub const MPROTECT: &str = "__arm64_sys_mprotect";
