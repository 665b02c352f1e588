//! `replay`: prints recordings as `live` would have printed them.

mod follow;
mod otlp;
mod sessions;

use std::path::{Path, PathBuf};

use forktrace::{
    reading::{self, Progress, tell_damage},
    record::{Record, parse_line},
    recording::{Damage, Filter, Item, Reader, Wanted},
    report::is_own_failure,
    view::{clean, nothing_passed},
};

use self::{follow::Following, sessions::Sessions};
use super::{
    print::{Coming, Printer},
    recordings::wanted,
};
use crate::{
    cli::{Range, ReplayArgs},
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &ReplayArgs) -> anyhow::Result<Exit> {
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
    if let Some(endpoint) = &args.otlp {
        return otlp::run(&args.files[0], endpoint, wanted);
    }
    let filtered = wanted.is_active();
    let mut printer = Printer::new(&args.print, args.verbose, filtered, coming(args));
    let mut filter = Filter::new(wanted);
    let mut passed = Passed::default();
    let mut all = Damage::default();
    let progress = match args.follow || args.print.quiet {
        true => Progress::hidden(),
        false => Progress::of_printing(&args.files),
    };
    for path in &args.files {
        if args.follow && path != Path::new("-") {
            let files = Following::open(path)?;
            while let Some(mut reader) = files.next()? {
                let damage = replay(&mut reader, &mut filter, &mut printer, &mut passed)?;
                files.ended(damage);
            }
            continue;
        }
        let damage = {
            let mut reader = reading::open(path, &progress)?;
            replay(&mut reader, &mut filter, &mut printer, &mut passed)?
        };
        if damage.is_any() {
            progress.aside(|| tell_damage(path, damage));
        }
        all.add(damage);
    }
    if let Some(remark) = passed.remark(filtered, &filter) {
        printer.remark(&remark)?;
    }
    printer.settle()?;
    for what in passed.sessions.remarks() {
        eprintln!("forktrace: {}", clean(&what));
    }
    Ok(Exit::after_reading(all, args.lenient))
}

/// A file is there as a whole, unless it is followed; of what is no file nobody knows.
fn coming(args: &ReplayArgs) -> Coming {
    let whole = |path: &PathBuf| path.metadata().is_ok_and(|about| about.is_file());
    match !args.follow && args.files.iter().all(whole) {
        true => Coming::AtOnce,
        false => Coming::Slowly,
    }
}

/// What there was to print.
#[derive(Default)]
struct Passed {
    records: u64,
    failures: u64,
    sessions: Sessions,
}

impl Passed {
    /// Why there was nothing.
    fn remark(&self, filtered: bool, filter: &Filter) -> Option<String> {
        match (self.records, self.failures) {
            (0, _) => Some("No records: nothing has been recorded.".to_owned()),
            (_, 0) if filtered => Some(nothing_passed(filter.left_out(), filter.unjudged())),
            _ => None,
        }
    }
}

/// What became of a line.
enum Taken {
    /// A failure's, printed as it stands.
    Line,
    Record(Record),
}

fn replay(
    reader: &mut Reader,
    filter: &mut Filter,
    printer: &mut Printer,
    passed: &mut Passed,
) -> anyhow::Result<Damage> {
    let as_they_stand = printer.takes_lines() && filter.is_open();
    loop {
        let mut shown = Ok(());
        let next = reader.next_with(|line| match as_they_stand && is_own_failure(line) {
            true => {
                shown = printer.show_line(line);
                Some(Taken::Line)
            }
            false => parse_line(line).map(Taken::Record),
        })?;
        shown?;
        let Some(item) = next else {
            break;
        };
        match item {
            Item::Record(Taken::Line) => {
                passed.records += 1;
                passed.failures += 1;
                passed.sessions.take_failure();
            }
            Item::Record(Taken::Record(record)) => {
                passed.records += 1;
                passed.sessions.take(&record);
                if let Some(record) = filter.pass(record) {
                    passed.failures += u64::from(matches!(record, Record::Failure(_)));
                    printer.show(&record)?;
                }
            }
            Item::Gap(gap) => filter.lose(&gap),
        }
    }
    Ok(reader.damage())
}
