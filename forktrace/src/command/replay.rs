//! `replay`: prints recordings as `live` would have printed them.

mod follow;

use std::{io, path::Path};

use forktrace::{
    record::{Damage, Filter, OneWay, ReadError, Reader, Wanted},
    view::clean,
};

use self::follow::Followed;
use super::print::Printer;
use crate::{
    cli::{ErrnoChoice, FilterArgs, ReplayArgs},
    exit::{Exit, UsageError},
};

pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if args.follow && args.files.len() > 1 {
        return Err(UsageError("--follow takes one file".to_owned()).into());
    }
    if args.follow {
        follow::end_quietly();
    }
    let mut filter = Filter::new(Wanted {
        since: args.since,
        until: args.until,
        ..wanted(&args.filter)
    });
    let mut printer = Printer::new(&args.print, args.verbose);
    for path in &args.files {
        let damage = replay(path, args.follow, &mut filter, &mut printer)?;
        if damage.is_any() {
            tell(path, damage);
        }
    }
    printer.settle()?;
    Ok(Exit::Done)
}

fn wanted(args: &FilterArgs) -> Wanted {
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

fn replay(
    path: &Path,
    follow: bool,
    filter: &mut Filter,
    printer: &mut Printer,
) -> anyhow::Result<Damage> {
    let mut reader = open(path, follow)?;
    while let Some(record) = reader.read()? {
        if let Some(record) = filter.pass(record) {
            printer.show(&record)?;
        }
    }
    Ok(reader.damage())
}

fn open(path: &Path, follow: bool) -> Result<Reader, ReadError> {
    if path == Path::new("-") {
        Reader::new(Path::new("standard input"), Box::new(OneWay(io::stdin())))
    } else if follow {
        let source = Followed::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Reader::new(path, Box::new(source))
    } else {
        Reader::open(path)
    }
}

fn tell(path: &Path, damage: Damage) {
    let path = path.to_string_lossy();
    let path = clean(&path);
    let Damage {
        unreadable,
        torn_bytes,
        bad_frames,
    } = damage;
    if unreadable > 0 {
        eprintln!(
            "forktrace: {path}: {unreadable} lines are no records of this version, passed over"
        );
    }
    if torn_bytes > 0 {
        eprintln!(
            "forktrace: {path}: the last {torn_bytes} bytes are no whole line: the recording was cut off there"
        );
    }
    if bad_frames > 0 {
        eprintln!(
            "forktrace: {path}: compressed data is damaged or cut off in {bad_frames} places"
        );
    }
}
