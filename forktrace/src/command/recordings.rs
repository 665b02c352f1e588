//! What all commands that read recordings do alike.

use std::{io, path::Path};

use forktrace::{
    recording::{Damage, OneWay, ReadError, Reader, Wanted},
    view::clean,
};

use crate::cli::{ErrnoChoice, FilterArgs};

/// A file, or standard input for `-`.
pub fn open(path: &Path) -> Result<Reader, ReadError> {
    if path == Path::new("-") {
        Reader::new(Path::new("standard input"), Box::new(OneWay(io::stdin())))
    } else {
        Reader::open(path)
    }
}

/// What the filters on the command line want, at any time.
pub fn wanted(args: &FilterArgs) -> Wanted {
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
        causes: args.cause.clone(),
        // `all` among them wants every one.
        errnos: errnos.collect::<Option<_>>().unwrap_or_default(),
    }
}

/// Says on standard error what was passed over in a file.
pub fn report_damage(path: &Path, damage: Damage) {
    let path = path.to_string_lossy();
    let path = clean(&path);
    let Damage {
        unreadable,
        torn_bytes,
        bad_frames,
    } = damage;
    if unreadable > 0 {
        let lines = match unreadable {
            1 => "1 line is no record",
            n => &format!("{n} lines are no records"),
        };
        eprintln!("forktrace: {path}: {lines} of this version, passed over");
    }
    if torn_bytes > 0 {
        let bytes = match torn_bytes {
            1 => "the last byte is",
            n => &format!("the last {n} bytes are"),
        };
        eprintln!("forktrace: {path}: {bytes} no whole line: the recording was cut off there");
    }
    if bad_frames > 0 {
        let places = match bad_frames {
            1 => "one place",
            n => &format!("{n} places"),
        };
        eprintln!("forktrace: {path}: compressed data is damaged or cut off in {places}");
    }
}
