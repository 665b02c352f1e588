//! Signals that ask for an end: noted, so that everything is put back first.

use std::{
    io,
    sync::atomic::{AtomicI32, Ordering},
};

use super::{
    sys::signal::{self, Action},
    trouble::Trouble,
};

/// The signal that came; 0 for none.
static CAME: AtomicI32 = AtomicI32::new(0);

const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The handlers, while it lives.
pub struct Handlers {
    before: Vec<(i32, Action)>,
}

extern "C" fn note(signal: i32) {
    CAME.store(signal, Ordering::Relaxed);
}

impl Handlers {
    /// Notes SIGINT, SIGTERM and SIGHUP from now on. One that is ignored
    /// (nohup) stays so.
    ///
    /// # Errors
    /// The kernel's answer.
    pub fn install() -> io::Result<Self> {
        CAME.store(0, Ordering::Relaxed);
        let mut installed = Self { before: Vec::new() };
        for signal in SIGNALS {
            if signal::is_ignored(signal)? {
                continue;
            }
            let before = signal::handle(signal, note)?;
            installed.before.push((signal, before));
        }
        Ok(installed)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for (signal, before) in &self.before {
            signal::put_back(*signal, before);
        }
    }
}

/// The signal that came, if one has.
pub fn came() -> Option<i32> {
    Some(CAME.load(Ordering::Relaxed)).filter(|&signal| signal != 0)
}

/// An error once a signal has come.
///
/// # Errors
/// [`Trouble::Interrupted`].
pub fn check() -> Result<(), Trouble> {
    match came() {
        Some(_) => Err(Trouble::Interrupted),
        None => Ok(()),
    }
}

/// In a child: signals act as they do on any process.
pub fn reset_in_child() {
    for signal in SIGNALS.into_iter().chain([libc::SIGPIPE]) {
        signal::default(signal);
    }
}

/// In the child that outlives a Ctrl-C: none of them acts.
pub fn ignore_in_child() {
    for signal in SIGNALS.into_iter().chain([libc::SIGPIPE, libc::SIGQUIT]) {
        signal::ignore(signal);
    }
}
