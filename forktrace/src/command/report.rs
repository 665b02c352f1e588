//! `report`: sums recordings up.

use std::{io, path::Path};

use forktrace::{
    reading::{self, Progress, tell_damage},
    recording::{Damage, Wanted, check_name, check_whole, write_whole},
    report::{Aggregator, Asked, Report},
    view::{Look, formats::REPORT_PAGE, nothing_passed},
};

use super::{
    recordings::{self, wanted},
    terminal,
};
use crate::{
    cli::{Range, ReportArgs},
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    // What is wrong with the page's place is said before all is read.
    if let Some(page) = &args.html {
        check_place(page, args)?;
    }
    let (report, damage) = read(args)?;
    if let Some(page) = &args.html {
        write_whole(page, args.force, &REPORT_PAGE.render(&report, Look::PLAIN)?)?;
        if page == Path::new("-") {
            return Ok(Exit::Done);
        }
    }
    let look = terminal::look(args.color);
    let mut output = args.format.open(Box::new(io::stdout()), look);
    output.show(&report)?;
    if args.format.name == "csv" && report.filtered && report.totals.failures == 0 {
        // A table without rows doesn't say why.
        let unjudged = report.totals.unjudged;
        eprintln!("forktrace: {}", nothing_passed(&report.left_out, unjudged));
    }
    Ok(Exit::after_reading(damage, args.lenient))
}

fn read(args: &ReportArgs) -> anyhow::Result<(Report, Damage)> {
    let Range { since, until } = args.range.range().map_err(UsageError)?;
    let mut damage = Damage::default();
    let mut report = Aggregator::new(Wanted {
        since,
        until,
        ..wanted(&args.filter)
    });
    if args.html.is_some() {
        report = report.for_page();
    }
    let progress = Progress::of(&args.files);
    for path in &args.files {
        let mut reader = reading::open(path, &progress)?;
        report.read(&mut reader)?;
        damage.add(reader.damage());
        if reader.damage().is_any() {
            progress.aside(|| tell_damage(path, reader.damage()));
        }
    }
    let asked = Asked {
        by: args.by,
        top: args.top,
    };
    Ok((report.finish_as(asked), damage))
}

fn check_place(page: &Path, args: &ReportArgs) -> anyhow::Result<()> {
    if page == Path::new("-") {
        return Ok(());
    }
    check_name(page, &["html", "htm"])?;
    check_whole(page, args.force)?;
    Ok(recordings::check_apart(page, &args.files)?)
}
