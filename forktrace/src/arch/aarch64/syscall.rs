//! Names of the system calls that records have.

/// The name of a system call that creates, executes, or maps a thread's stack
/// (arm64, and the calls of 32-bit programs); `None` for any other number.
pub fn name(number: i32, compat: bool) -> Option<&'static str> {
    // include/uapi/asm-generic/unistd.h, arch/arm64/tools/syscall_32.tbl.
    match (number, compat) {
        (220, false) | (120, true) => Some("clone"),
        (2, true) => Some("fork"),
        (190, true) => Some("vfork"),
        (435, _) => Some("clone3"),
        (221, false) | (11, true) => Some("execve"),
        (281, false) | (387, true) => Some("execveat"),
        (222, false) | (192, true) => Some("mmap"),
        (226, false) | (125, true) => Some("mprotect"),
        _ => None,
    }
}
