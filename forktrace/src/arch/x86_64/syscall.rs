//! Names of the system calls that records have.

/// The name of a system call that creates, executes, or maps a thread's stack
/// (x86-64, and its 32-bit calls); `None`
/// for any other number.
pub fn name(number: i32, compat: bool) -> Option<&'static str> {
    // arch/x86/entry/syscalls/syscall_64.tbl and syscall_32.tbl.
    match (number, compat) {
        (56, false) | (120, true) => Some("clone"),
        (57, false) | (2, true) => Some("fork"),
        (58, false) | (190, true) => Some("vfork"),
        (435, _) => Some("clone3"),
        (59, false) | (11, true) => Some("execve"),
        (322, false) | (358, true) => Some("execveat"),
        (9, false) | (90 | 192, true) => Some("mmap"),
        (10, false) | (125, true) => Some("mprotect"),
        _ => None,
    }
}
