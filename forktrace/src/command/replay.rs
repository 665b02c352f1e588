//! `replay`: prints recordings as `live` would have printed them.

mod follow;

use std::path::Path;

use forktrace::recording::{Damage, Filter, ReadError, Reader, Wanted};

use self::follow::Followed;
use super::{
    print::{Of, Printer},
    recordings::{self, report_damage, wanted},
};
use crate::{
    cli::{Range, ReplayArgs},
    exit::{Exit, UsageError},
};

pub fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
    if args.follow && args.files.len() > 1 {
        return Err(UsageError("--follow takes one file".to_owned()).into());
    }
    if args.follow {
        follow::end_quietly();
    }
    let Range { since, until } = args.range.range().map_err(UsageError)?;
    let wanted = Wanted {
        since,
        until,
        ..wanted(&args.filter)
    };
    let of = match wanted.is_active() {
        true => Of::RecordingChosen,
        false => Of::Recording,
    };
    let mut printer = Printer::new(&args.print, args.verbose, of);
    let mut filter = Filter::new(wanted);
    for path in &args.files {
        let damage = replay(path, args.follow, &mut filter, &mut printer)?;
        if damage.is_any() {
            report_damage(path, damage);
        }
    }
    printer.settle()?;
    Ok(Exit::Done)
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
    if follow && path != Path::new("-") {
        let source = Followed::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Reader::new(path, Box::new(source))
    } else {
        recordings::open(path)
    }
}
