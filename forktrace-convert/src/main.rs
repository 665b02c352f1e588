//! Writes recordings as Parquet. A program of its own, which `forktrace convert` becomes: with its
//! writer, forktrace would be several times as large, and it is copied to hosts in trouble.

mod table;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;
use forktrace::{
    exit::{self, Exit},
    flat::Row,
    reading,
    recording::Whole,
};

use self::table::Table;

/// Write recordings of forktrace as Parquet. `forktrace convert` runs this.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Recordings, plain or compressed; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What to write.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
    /// End with status 0 though damage has lost some of the records.
    #[arg(long)]
    lenient: bool,
}

fn main() -> ExitCode {
    exit::end(convert(&Args::parse()))
}

fn convert(args: &Args) -> anyhow::Result<Exit> {
    let mut table = Table::new(Whole::begin(&args.output, args.force)?)?;
    let give = |row: &Row<'_>| anyhow::Ok(table.write(row)?);
    let (damage, report) = reading::rows(&args.files, give)?;
    let (file, rows) = table.finish()?;
    file.finish()?;
    reading::tell_rows(&report, rows);
    Ok(Exit::after_reading(damage, args.lenient))
}
