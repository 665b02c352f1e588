//! Processes that only exist, to fill a limit.

use super::{create, sys, trouble::Trouble};
use crate::evidence::RESERVED_PIDS;

/// A way to copy this process: `None` in the child.
pub type Copy = fn() -> Result<Option<i32>, i32>;

/// What `copied` has made of this process: the child sleeps and ends with its parent.
fn asleep(parent: i32, copied: Option<i32>) -> i32 {
    copied.unwrap_or_else(|| {
        sys::die_with(parent);
        sys::close_from(3);
        sys::sleep_for_ever()
    })
}

/// A process that only exists, and ends with its parent.
///
/// # Errors
/// The errno, when it is refused.
pub fn sleeper() -> Result<i32, i32> {
    sleeper_by(create::copy)
}

/// The same by another call.
///
/// # Errors
/// The errno, when it is refused.
pub fn sleeper_by(copy: Copy) -> Result<i32, i32> {
    let parent = sys::pid();
    Ok(asleep(parent, copy()?))
}

/// The same with a number of one's own choice (clone3(2) `set_tid`).
///
/// # Errors
/// The errno, when it is refused.
pub fn sleeper_numbered(pid: i32) -> Result<i32, i32> {
    let parent = sys::pid();
    Ok(asleep(parent, create::copy_numbered(pid)?))
}

/// Makes sleepers until it is refused, at most so many: them, and the
/// errno (0 when none was refused).
pub fn fill_by(copy: Copy, at_most: usize) -> (Vec<i32>, i32) {
    let mut pids = Vec::with_capacity(at_most);
    while pids.len() < at_most {
        match sleeper_by(copy) {
            Ok(pid) => pids.push(pid),
            Err(errno) => return (pids, errno),
        }
    }
    (pids, 0)
}

/// Makes sleepers until it is refused, at most so many: how many, and the
/// errno (0 when none was refused).
pub fn fill(at_most: u64) -> (u64, i32) {
    let (pids, errno) = fill_by(create::copy, at_most as usize);
    (pids.len() as u64, errno)
}

/// Moves the pid namespace's cursor past the ids that are given out once only, so that only the others
/// are left. `/proc` is the namespace's own.
///
/// # Errors
/// A process was refused, or the ids stay low.
pub fn pass_reserved_ids() -> Result<(), Trouble> {
    for n in 0..=RESERVED_PIDS {
        // Not where they are used up anyway; and a kernel takes it only with CONFIG_CHECKPOINT_RESTORE.
        if n == 1 {
            let _ = std::fs::write("/proc/sys/kernel/ns_last_pid", RESERVED_PIDS.to_string());
        }
        let answer = create::clone(libc::SIGCHLD);
        match create::concluded(answer) {
            0 if answer as u64 > RESERVED_PIDS => return Ok(()),
            0 => {}
            errno => return Err(Trouble::errno("using ids up", errno)),
        }
    }
    Err(Trouble::Odd(format!("the ids stay below {RESERVED_PIDS}")))
}
