//! The command that `-- CMD` asks for: the only process that forktrace ever
//! creates, before tracing settles into its loop.

use std::{
    ffi::OsString,
    io,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitStatus},
};

use anyhow::Context as _;
use forktrace::view::{clean, without_numbers};

use crate::exit::Exit;

/// A running command.
pub(super) struct Child {
    pid: libc::pid_t,
}

/// Statuses that shells use for commands that could not be started.
const NOT_EXECUTABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How starting it went.
pub(super) enum Started {
    Running(Child),
    /// The command isn't there, or is no program: said on standard error.
    Impossible(Exit),
}

impl Child {
    /// Starts the command. Descendants that lose their parent become
    /// forktrace's children, and so stay recognisable as the command's.
    pub(super) fn spawn(words: &[OsString]) -> anyhow::Result<Option<Started>> {
        let Some((program, arguments)) = words.split_first() else {
            return Ok(None);
        };
        // SAFETY: an integer argument; affects this process only.
        if unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } != 0 {
            return Err(io::Error::last_os_error()).context("becoming a child subreaper");
        }
        match Command::new(program).args(arguments).spawn() {
            Ok(child) => Ok(Some(Started::Running(Self {
                pid: child.id().cast_signed(),
            }))),
            Err(error) => {
                let status = match error.kind() {
                    io::ErrorKind::NotFound => NOT_FOUND,
                    io::ErrorKind::PermissionDenied => NOT_EXECUTABLE,
                    _ if error.raw_os_error() == Some(libc::ENOEXEC) => NOT_EXECUTABLE,
                    _ => {
                        return Err(error).with_context(|| {
                            format!("starting {}", clean(&program.to_string_lossy()))
                        });
                    }
                };
                eprintln!(
                    "forktrace: starting {}: {}",
                    clean(&program.to_string_lossy()),
                    without_numbers(&error)
                );
                Ok(Some(Started::Impossible(Exit::Command(status))))
            }
        }
    }

    /// Reaps what has ended, orphans included; the command's status once it is
    /// among them.
    pub(super) fn reap(&self) -> Option<Exit> {
        let mut ended = None;
        loop {
            let mut status = 0;
            // SAFETY: a live int; WNOHANG never blocks.
            let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
            if pid <= 0 {
                return ended;
            }
            if pid == self.pid {
                let status = ExitStatus::from_raw(status);
                let code = status
                    .code()
                    .or_else(|| status.signal().map(|s| 128 + s))
                    .unwrap_or(1);
                ended = Some(Exit::Command(u8::try_from(code).unwrap_or(1)));
            }
        }
    }

    /// Passes a signal on.
    pub(super) fn signal(&self, signal: i32) {
        // SAFETY: plain integers; the child is not reaped yet, so the pid is
        // its own.
        unsafe { libc::kill(self.pid, signal) };
    }
}
