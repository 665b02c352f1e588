//! What all commands that read recordings do alike.

use std::{
    fs,
    path::{Path, PathBuf},
};

use forktrace::{
    recording::{FileId, Wanted},
    view::shown,
};

use crate::{
    cli::{ErrnoChoice, FilterArgs},
    exit::UsageError,
};

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
        let text = format!(
            "{} is to be read; what is written needs a file of its own",
            shown(written)
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
