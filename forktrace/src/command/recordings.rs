//! What all commands that read recordings do alike.

use std::{io, path::Path};

use forktrace::{
    recording::{Damage, OneWay, ReadError, Reader, Wanted},
    view::{clean, count},
};

use crate::{
    cli::{ErrnoChoice, FilterArgs},
    exit::Exit,
};

/// A file, or standard input for `-`.
pub(super) fn open(path: &Path) -> Result<Reader, ReadError> {
    if path == Path::new("-") {
        Reader::new(Path::new("standard input"), Box::new(OneWay(io::stdin())))
    } else {
        Reader::open(path)
    }
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
pub(super) fn report_damage(path: &Path, damage: Damage) {
    let path = path.to_string_lossy();
    let path = clean(&path);
    let say = |number: u64, what: String| {
        if number > 0 {
            eprintln!("forktrace: {path}: {what}");
        }
    };
    let d = damage;
    say(
        d.unreadable,
        match d.unreadable {
            1 => "1 line is no record of this version, passed over".to_owned(),
            n => format!("{n} lines are no records of this version, passed over"),
        },
    );
    say(
        d.torn_bytes,
        format!(
            "{} behind the last whole line: the recording was cut off there",
            count(d.torn_bytes, "byte")
        ),
    );
    say(
        d.bad_frames,
        format!(
            "compressed data is damaged or cut off in {}",
            count(d.bad_frames, "place")
        ),
    );
    say(
        d.lost_lines,
        format!(
            "{} lost there, if not more: the checksum of the data doesn't hold",
            count(d.lost_lines, "line")
        ),
    );
    say(
        d.open_frames,
        "the compressed data has no end: it is still being written, or was cut off by a crash"
            .to_owned(),
    );
    say(
        d.refused_frames,
        format!(
            "{} not read, for want of a window of {} MiB: `zstd -d --long=31` decompresses it",
            count(d.refused_frames, "frame"),
            d.largest_window.div_ceil(1 << 20)
        ),
    );
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
