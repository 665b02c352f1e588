//! `convert`: recordings as one table, for engines that read tables.

use std::{
    env,
    io::{self, BufWriter, Write},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use forktrace::{
    flat::Row,
    reading,
    recording::{Damage, Whole, check_whole},
    view::Csv,
};

use super::recordings;
use crate::{
    cli::{ConvertArgs, Table},
    exit::{Exit, UsageError},
};

/// The program that writes Parquet: it is several times as large as forktrace.
const PARQUET: &str = "forktrace-convert";

pub(super) fn run(args: &ConvertArgs) -> anyhow::Result<Exit> {
    let table = args.format().map_err(UsageError)?;
    if args.output == Path::new("-") {
        let (damage, _) = write(&args.files, io::stdout().lock())?;
        return Ok(Exit::after_reading(damage, args.lenient));
    }
    check_whole(&args.output, args.force)?;
    recordings::check_apart(&args.output, &args.files)?;
    match table {
        Table::Parquet => Err(become_the_other(args)),
        Table::Csv => csv(args),
    }
}

/// Parquet is another program's, beside this one or in PATH; this one becomes it.
fn become_the_other(args: &ConvertArgs) -> anyhow::Error {
    let beside = env::current_exe().ok();
    let beside = beside.and_then(|own| Some(own.parent()?.join(PARQUET)));
    let program = beside.filter(|path| path.is_file());
    let mut command = Command::new(program.as_deref().unwrap_or(Path::new(PARQUET)));
    command.arg("--output").arg(&args.output);
    if args.force {
        command.arg("--force");
    }
    if args.lenient {
        command.arg("--lenient");
    }
    command.arg("--").args(&args.files);
    // None of the files is opened here: what comes through a pipe comes once.
    let error = command.exec();
    let text = match error.kind() {
        io::ErrorKind::NotFound => format!(
            "Parquet is written by {PARQUET}, which is neither beside forktrace nor in PATH; a release \
             has it as a package of this name, and `cargo build --release --package {PARQUET}` builds it \
             from the sources"
        ),
        _ => format!("starting {PARQUET}: {error}"),
    };
    UsageError(text).into()
}

fn csv(args: &ConvertArgs) -> anyhow::Result<Exit> {
    let file = Whole::begin(&args.output, args.force)?;
    let (damage, file) = write(&args.files, file)?;
    file.finish()?;
    Ok(Exit::after_reading(damage, args.lenient))
}

/// Writes all rows; what was damaged, and what was written to.
fn write<W: Write>(files: &[PathBuf], to: W) -> anyhow::Result<(Damage, W)> {
    let mut csv = Csv::new(BufWriter::new(to))?;
    let mut rows = 0_u64;
    let (damage, report) = reading::rows(files, |row: &Row<'_>| {
        rows += 1;
        anyhow::Ok(csv.write(row)?)
    })?;
    let to = csv
        .into_inner()?
        .into_inner()
        .map_err(|error| error.into_error())?;
    reading::tell_rows(&report, rows);
    Ok((damage, to))
}
