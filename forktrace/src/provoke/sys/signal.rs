//! What signals do to the calling process.

use std::{io, mem, ptr};

/// What a signal does.
pub struct Action(libc::sigaction);

fn change(signal: i32, action: Option<&Action>) -> io::Result<Action> {
    // SAFETY: all-zero is a sigaction.
    let mut before = Action(unsafe { mem::zeroed() });
    let action = action.map_or(ptr::null(), |action| &raw const action.0);
    // SAFETY: live structs, or null for no change; the handlers that `handler` takes are safe functions.
    match unsafe { libc::sigaction(signal, action, &raw mut before.0) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

/// An action without SA_RESTART, so that waits return.
fn action(handler: libc::sighandler_t) -> Action {
    // SAFETY: all-zero is a sigaction.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = handler;
    Action(action)
}

/// Whether nobody hears of it.
///
/// # Errors
/// No such signal.
pub fn is_ignored(signal: i32) -> io::Result<bool> {
    Ok(change(signal, None)?.0.sa_sigaction == libc::SIG_IGN)
}

/// Calls `handler` from now on, which may do what a signal handler may; what was before. Waits return
/// when it has run.
///
/// # Errors
/// No such signal.
pub fn handle(signal: i32, handler: extern "C" fn(i32)) -> io::Result<Action> {
    change(signal, Some(&action(handler as libc::sighandler_t)))
}

/// Back to what [`handle`] found.
pub fn put_back(signal: i32, before: &Action) {
    // Fails for numbers only that `handle` has refused.
    let _ = change(signal, Some(before));
}

/// The default.
pub fn default(signal: i32) {
    let _ = change(signal, Some(&action(libc::SIG_DFL)));
}

/// Nobody hears of it.
pub fn ignore(signal: i32) {
    let _ = change(signal, Some(&action(libc::SIG_IGN)));
}
