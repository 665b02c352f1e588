//! The kernel's functions of system calls (arch/x86/include/asm/syscall_wrapper.h).

pub const EXECVE: &str = "__x64_sys_execve";
pub const EXECVEAT: &str = "__x64_sys_execveat";

/// Of a 32-bit program.
pub const COMPAT_EXECVE: &str = "__ia32_compat_sys_execve";
pub const COMPAT_EXECVEAT: &str = "__ia32_compat_sys_execveat";
