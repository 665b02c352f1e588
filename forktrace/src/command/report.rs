//! `report`: sums recordings up.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use forktrace::{
    recording::{Wanted, WriteError, create_private},
    report::{Aggregator, Report},
    view::{Look, clean, formats::REPORT_PAGE},
};

use super::{
    recordings::{self, report_damage, wanted},
    terminal,
};
use crate::{
    cli::ReportArgs,
    exit::{Exit, UsageError},
};

pub fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    // What is wrong with the page's place is said before all is read.
    if let Some(page) = &args.html {
        check_place(page, args)?;
    }
    let report = read(args)?;
    if let Some(page) = &args.html {
        write_page(page, args.force, &report)?;
    }
    let look = terminal::look(args.color);
    let mut output = args.format.open(Box::new(io::stdout()), look);
    output.show(&report)?;
    Ok(Exit::Done)
}

fn read(args: &ReportArgs) -> anyhow::Result<Report> {
    let mut report = Aggregator::new(Wanted {
        since: args.since,
        until: args.until,
        ..wanted(&args.filter)
    });
    for path in &args.files {
        let mut reader = recordings::open(path)?;
        report.begin_file();
        while reader.read_with(|line| report.take(line))?.is_some() {}
        report.add_damage(reader.damage());
        if reader.damage().is_any() {
            report_damage(path, reader.damage());
        }
    }
    Ok(report.finish())
}

/// An overwritten recording would be lost.
fn check_place(page: &Path, args: &ReportArgs) -> anyhow::Result<()> {
    let Ok(there) = fs::symlink_metadata(page) else {
        return Ok(());
    };
    let path = PathBuf::from(page);
    if there.is_symlink() {
        return Err(WriteError::Symlink { path }.into());
    }
    if !args.force {
        return Err(WriteError::Exists { path }.into());
    }
    let id = |file: &fs::Metadata| (file.dev(), file.ino());
    let read = args.files.iter().filter_map(|file| fs::metadata(file).ok());
    if read.map(|file| id(&file)).any(|file| file == id(&there)) {
        let page = page.to_string_lossy();
        let text = format!(
            "{} is to be read; the page needs a file of its own",
            clean(&page)
        );
        return Err(UsageError(text).into());
    }
    Ok(())
}

fn write_page(path: &Path, force: bool, report: &Report) -> Result<(), WriteError> {
    let mut file = create_private(path, force)?;
    let written = file
        .metadata()
        .and_then(|old| match old.is_file() {
            // One that was there may have been everybody's to read.
            true => file.set_permissions(Permissions::from_mode(0o600)),
            false => Ok(()),
        })
        .and_then(|()| {
            let mut page = REPORT_PAGE.open(Box::new(&mut file), Look::PLAIN);
            page.show(report)
        });
    written.map_err(|source| WriteError::Write {
        path: path.to_owned(),
        source,
    })
}
