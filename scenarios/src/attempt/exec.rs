//! Executing a program that ends at once with status 0: this one, as a helper.

use std::ffi::CStr;
use std::io;

const PROGRAM: &CStr = c"/proc/self/exe";
const ARGUMENTS: [&CStr; 4] = [c"exe", c"helper", c"exit", c"0"];

/// execve(2). Returns when it is refused: the negative errno.
pub(crate) fn execve() -> isize {
    execve_of(PROGRAM)
}

/// execve(2) of any program.
pub(crate) fn execve_of(program: &CStr) -> isize {
    let argv = argv();
    let environment = [std::ptr::null::<libc::c_char>()];
    // SAFETY: strings and arrays ended by a null, which outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execve,
            program.as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
        );
    }
    refused()
}

/// execveat(2), likewise.
pub(crate) fn execveat() -> isize {
    let argv = argv();
    let environment = [std::ptr::null::<libc::c_char>()];
    // SAFETY: as above.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            libc::AT_FDCWD,
            PROGRAM.as_ptr(),
            argv.as_ptr(),
            environment.as_ptr(),
            0,
        );
    }
    refused()
}

fn argv() -> [*const libc::c_char; 5] {
    let [a, b, c, d] = ARGUMENTS.map(CStr::as_ptr);
    [a, b, c, d, std::ptr::null()]
}

fn refused() -> isize {
    -(io::Error::last_os_error().raw_os_error().unwrap_or(0) as isize)
}
