//! What the kernel answers to system calls that rustix doesn't make.

use std::io;

use crate::provoke::trouble::Trouble;

/// Turns -1 into the errno, for calls that rustix doesn't make.
///
/// # Errors
/// The call's.
pub fn check(answer: impl Into<i64>, doing: &str) -> Result<i64, Trouble> {
    let answer = answer.into();
    if answer < 0 {
        return Err(Trouble::at(doing)(io::Error::last_os_error()));
    }
    Ok(answer)
}

/// The errno of the call before.
pub fn errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
