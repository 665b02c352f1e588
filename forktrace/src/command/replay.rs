//! `replay`: prints recordings as `live` would have printed them.

mod follow;

use std::{
    io::{self, Write as _},
    path::Path,
};

use forktrace::{
    record::{Damage, Filter, OneWay, ReadError, Reader, Record, Wanted, write_line},
    view::{Screen, Verbosity, clean},
};

use self::follow::Followed;
use super::terminal;
use crate::{
    cli::{ErrnoChoice, Format, ReplayArgs},
    exit::{Exit, UsageError},
};

pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if args.follow && args.files.len() > 1 {
        return Err(UsageError("--follow takes one file".to_owned()).into());
    }
    if args.follow {
        follow::end_quietly();
    }
    let mut filter = Filter::new(wanted(args));
    let mut print = printer(args);
    for path in &args.files {
        let damage = replay(path, args.follow, &mut filter, &mut print)?;
        if damage.is_any() {
            tell(path, damage);
        }
    }
    print(None)?;
    Ok(Exit::Done)
}

fn wanted(args: &ReplayArgs) -> Wanted {
    let errnos = args.errno.iter().map(|choice| match choice {
        ErrnoChoice::One(errno) => Some(*errno),
        ErrnoChoice::All => None,
    });
    Wanted {
        since: args.since,
        until: args.until,
        pid: args.pid,
        comm: args.comm.clone(),
        user: args.user.clone(),
        cgroup: args.cgroup.clone(),
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
    print: &mut impl FnMut(Option<&Record>) -> anyhow::Result<()>,
) -> anyhow::Result<Damage> {
    let mut reader = open(path, follow)?;
    while let Some(record) = reader.read()? {
        if let Some(record) = filter.pass(record) {
            print(Some(&record))?;
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

/// Prints a record, or at the end what was held back.
fn printer(args: &ReplayArgs) -> impl FnMut(Option<&Record>) -> anyhow::Result<()> + use<> {
    let (format, quiet) = (args.format, args.quiet);
    let verbosity = match (quiet, args.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let mut screen = Screen::new(
        io::stdout(),
        terminal::colours(args.color),
        verbosity,
        terminal::width(),
    );
    let mut line = Vec::new();
    move |record| {
        let Some(record) = record else {
            return Ok(screen.settle()?);
        };
        match format {
            Format::Text => screen.show(record)?,
            Format::Json if quiet && matches!(record, Record::Session(_) | Record::Summary(_)) => {}
            Format::Json => {
                line.clear();
                write_line(&mut line, record)?;
                io::stdout().lock().write_all(&line)?;
            }
        }
        Ok(())
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
