//! The kernel's functions of system calls (arch/x86/include/asm/syscall_wrapper.h).

/// execve(2) of a 64-bit program.
pub const EXECVE: &str = "__x64_sys_execve";
/// execveat(2) of a 64-bit program.
pub const EXECVEAT: &str = "__x64_sys_execveat";

/// execve(2) of a 32-bit program.
pub const COMPAT_EXECVE: &str = "__ia32_compat_sys_execve";
/// execveat(2) of a 32-bit program.
pub const COMPAT_EXECVEAT: &str = "__ia32_compat_sys_execveat";

/// mprotect(2).
pub const MPROTECT: &str = "__x64_sys_mprotect";
