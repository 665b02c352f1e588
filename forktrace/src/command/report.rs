//! `report`: sums recordings up.

mod follow;

use std::{io, path::Path};

use forktrace::{
    reading,
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
    if args.follow {
        return follow::run(args);
    }
    let (report, damage) = read(args)?;
    if let Some(page) = &args.html {
        write_page(page, args.force, &report)?;
        if page == Path::new("-") {
            return Ok(Exit::after_reading(damage, args.lenient));
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
    let mut report = empty(args)?;
    let damage = reading::each(&args.files, |reader| report.read(reader))?;
    Ok((report.finish_as(asked(args)), damage))
}

/// A report that nothing has been read for.
fn empty(args: &ReportArgs) -> anyhow::Result<Aggregator> {
    let Range { since, until } = args.range.range().map_err(UsageError)?;
    let report = Aggregator::new(Wanted {
        since,
        until,
        ..wanted(&args.filter)
    });
    Ok(match args.html {
        Some(_) => report.for_page(),
        None => report,
    })
}

fn asked(args: &ReportArgs) -> Asked {
    Asked {
        by: args.by,
        top: args.top,
    }
}

fn write_page(page: &Path, force: bool, report: &Report) -> anyhow::Result<()> {
    Ok(write_whole(
        page,
        force,
        &REPORT_PAGE.render(report, Look::PLAIN)?,
    )?)
}

fn check_place(page: &Path, args: &ReportArgs) -> anyhow::Result<()> {
    if page == Path::new("-") {
        return Ok(());
    }
    check_name(page, &["html", "htm"])?;
    check_whole(page, args.force)?;
    Ok(recordings::check_apart(page, &args.files)?)
}
