//! What all commands that read recordings do alike.

use std::{
    fs,
    path::{Path, PathBuf},
};

use forktrace::{
    recording::{Damage, FileId, ReadError, Reader, Wanted},
    view::{clean, damage},
};

use super::progress::Progress;
use crate::{
    cli::{ErrnoChoice, FilterArgs},
    exit::{Exit, UsageError},
};

/// A file, or standard input for `-`.
pub(super) fn open(path: &Path, progress: &Progress) -> Result<Reader, ReadError> {
    Reader::of_argument(path, |source| progress.watch(source))
}

/// What is written may be none of what is read: an overwritten recording would be lost.
pub(super) fn check_apart(written: &Path, read: &[PathBuf]) -> Result<(), UsageError> {
    let Ok(there) = fs::metadata(written) else {
        return Ok(());
    };
    let read = read.iter().filter_map(|file| fs::metadata(file).ok());
    if read
        .map(|file| FileId::of(&file))
        .any(|file| file == FileId::of(&there))
    {
        let written = written.to_string_lossy();
        let text = format!(
            "{} is to be read; what is written needs a file of its own",
            clean(&written)
        );
        return Err(UsageError(text));
    }
    Ok(())
}

/// What the filters on the command line want, at any time.
pub(super) fn wanted(args: &FilterArgs) -> Wanted {
    let errnos = args.errno.iter().map(|choice| match choice {
        ErrnoChoice::One(errno) => Some(*errno),
        ErrnoChoice::All => None,
    });
    Wanted {
        since: None,
        until: None,
        pid: args.pid,
        comm: args.comm.clone(),
        user: args.user.clone(),
        cgroup: args
            .cgroup
            .as_ref()
            .map(|path| path.to_string_lossy().into_owned()),
        unit: args.unit.clone(),
        containers: args.containers(),
        causes: args.cause.clone(),
        // `all` among them wants every one.
        errnos: errnos.collect::<Option<_>>().unwrap_or_default(),
    }
}

/// Says on standard error what was passed over in a file.
pub(super) fn report_damage(path: &Path, of: Damage) {
    let path = path.to_string_lossy();
    let path = clean(&path);
    for what in damage(&of) {
        eprintln!("forktrace: {path}: {what}");
    }
}

/// The status with which a command ends that has read recordings.
pub(super) fn exit(damage: Damage, lenient: bool) -> Exit {
    if damage.refused_frames > 0 {
        Exit::Failed
    } else if damage.lost_records() && !lenient {
        Exit::Damaged
    } else {
        Exit::Done
    }
}
