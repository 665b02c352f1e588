//! Exit statuses, of all programs.

use std::{io, process::ExitCode};

use crate::{
    headroom::BaselineError,
    model::{clean, without_numbers},
    recording::{Damage, ReadError, WriteError},
    tracer::StartError,
};

/// How forktrace ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done. Also a closed pipe on standard output, Ctrl-C, SIGTERM.
    Done,
    /// 1: `selftest` found a fault, `check` a limit near, `--fail` something refused.
    Fault,
    /// 2: wrong usage.
    Usage,
    /// 3: can't run here: privilege, or the kernel.
    Unable,
    /// 4: failed while running.
    Failed,
    /// 5: a recording was read, and damage has lost some of its records.
    Damaged,
    /// The status of the command that was run.
    Command(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Fault => 1,
            Exit::Usage => 2,
            Exit::Unable => 3,
            Exit::Failed => 4,
            Exit::Damaged => 5,
            Exit::Command(status) => status,
        })
    }
}

/// An argument that the parser can't judge: a user, cgroup or process that
/// doesn't exist.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// An argument that names what isn't there, and may come to be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotThere(pub String);

/// How a program ends, which says on standard error why it failed.
pub fn end(ended: anyhow::Result<Exit>) -> ExitCode {
    let exit = ended.unwrap_or_else(|error| {
        let exit = Exit::of(&error);
        if exit != Exit::Done {
            let text = without_numbers(&format!("{error:#}"));
            // Lines are the program's own, and nothing else that a terminal obeys.
            let lines: Vec<_> = text.split('\n').map(clean).collect();
            eprintln!("forktrace: {}", lines.join("\n"));
        }
        exit
    });
    exit.into()
}

impl Exit {
    /// The status with which a command ends that has read recordings.
    pub fn after_reading(damage: Damage, lenient: bool) -> Self {
        if damage.refused_frames > 0 {
            Self::Failed
        } else if damage.lost_records() && !lenient {
            Self::Damaged
        } else {
            Self::Done
        }
    }

    /// The status for an error.
    pub fn of(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if cause.is::<UsageError>() || cause.is::<NotThere>() {
                return Self::Usage;
            }
            match cause.downcast_ref::<BaselineError>() {
                Some(BaselineError::NoBaseline { .. }) => return Self::Usage,
                Some(BaselineError::Read { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    return Self::Usage;
                }
                _ => {}
            }
            match cause.downcast_ref::<ReadError>() {
                Some(ReadError::NoRecording { .. } | ReadError::Foreign { .. }) => {
                    return Self::Usage;
                }
                Some(ReadError::Open { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    return Self::Usage;
                }
                Some(ReadError::Read { source, .. })
                    if source.kind() == io::ErrorKind::IsADirectory =>
                {
                    return Self::Usage;
                }
                _ => {}
            }
            match cause.downcast_ref::<WriteError>() {
                Some(
                    WriteError::Exists { .. }
                    | WriteError::Folder { .. }
                    | WriteError::OtherFormat { .. }
                    | WriteError::Symlink { .. }
                    | WriteError::Locked { .. }
                    | WriteError::NoRecording { .. }
                    | WriteError::NoFile { .. }
                    | WriteError::NoFolder { .. },
                ) => return Self::Usage,
                Some(WriteError::Open { source, .. })
                    if source.kind() == io::ErrorKind::NotFound =>
                {
                    return Self::Usage;
                }
                _ => {}
            }
            if let Some(start) = cause.downcast_ref::<StartError>() {
                return match start {
                    StartError::Privilege(_) | StartError::Unsupported(_) => Self::Unable,
                    StartError::Types { .. } => Self::Usage,
                    StartError::Load(_) => Self::Unable,
                    StartError::Set { .. } => Self::Failed,
                };
            }
            if let Some(io) = cause.downcast_ref::<io::Error>()
                && io.kind() == io::ErrorKind::BrokenPipe
            {
                return Self::Done;
            }
        }
        Self::Failed
    }
}
