//! Signals that ask for an end: noted, so that everything is put back first.

use std::{
    io, mem, ptr,
    sync::atomic::{AtomicI32, Ordering},
};

use super::trouble::Trouble;

/// The signal that came; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The handlers, while it lives.
pub struct Handlers {
    before: Vec<(i32, libc::sigaction)>,
}

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::Relaxed);
}

impl Handlers {
    /// Notes SIGINT, SIGTERM and SIGHUP from now on. One that is ignored
    /// (nohup) stays so.
    pub fn install() -> io::Result<Self> {
        CAME.store(0, Ordering::Relaxed);
        let mut installed = Self { before: Vec::new() };
        for signal in SIGNALS {
            // SAFETY: all-zero is a sigaction; without SA_RESTART, so that
            // waits return.
            let mut action: libc::sigaction = unsafe { mem::zeroed() };
            action.sa_sigaction = note as extern "C" fn(i32) as usize;
            // SAFETY: as above.
            let mut before: libc::sigaction = unsafe { mem::zeroed() };
            // SAFETY: live structs; the handler only stores to an atomic.
            let answer = unsafe {
                if libc::sigaction(signal, ptr::null(), &raw mut before) == 0
                    && before.sa_sigaction == libc::SIG_IGN
                {
                    continue;
                }
                libc::sigaction(signal, &raw const action, &raw mut before)
            };
            if answer != 0 {
                return Err(io::Error::last_os_error());
            }
            installed.before.push((signal, before));
        }
        Ok(installed)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            // SAFETY: the action that was there before.
            unsafe { libc::sigaction(*signal, &raw const *before, ptr::null_mut()) };
        }
    }
}

/// The signal that came, if one has.
pub fn came() -> Option<i32> {
    Some(CAME.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

/// An error once a signal has come.
pub fn check() -> Result<(), Trouble> {
    match came() {
        Some(_) => Err(Trouble::Interrupted),
        None => Ok(()),
    }
}

/// In a child: signals act as they do on any process.
pub fn reset_in_child() {
    for signal in SIGNALS.into_iter().chain([libc::SIGPIPE]) {
        // SAFETY: a signal's default action.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
}

/// In the child that outlives a Ctrl-C: none of them acts.
pub fn ignore_in_child() {
    for signal in SIGNALS.into_iter().chain([libc::SIGPIPE, libc::SIGQUIT]) {
        // SAFETY: ignores a signal.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
