//! Writes recordings as Parquet. A program of its own, which `forktrace convert` becomes: with its
//! writer, forktrace would be several times as large, and it is copied to hosts in trouble.

mod table;

use std::{io, path::PathBuf, process::ExitCode};

use clap::Parser;
use forktrace::{
    flat::{Flattener, Row},
    recording::{Damage, ReadError, Reader, Whole},
    view::{self, clean, count, without_numbers},
};

use self::table::Table;

/// Statuses of forktrace.
const USAGE: u8 = 2;
const FAILED: u8 = 4;
const DAMAGED: u8 = 5;

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
    let args = Args::parse();
    match convert(&args) {
        Ok(damage) => ExitCode::from(match damage {
            damage if damage.refused_frames > 0 => FAILED,
            damage if damage.lost_records() && !args.lenient => DAMAGED,
            _ => 0,
        }),
        Err(error) => {
            eprintln!("forktrace: {}", without_numbers(&format!("{error:#}")));
            ExitCode::from(status(&error))
        }
    }
}

fn status(error: &anyhow::Error) -> u8 {
    let read = error.chain().find_map(|cause| cause.downcast_ref());
    match read {
        Some(ReadError::NoRecording { .. }) => USAGE,
        Some(ReadError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => USAGE,
        _ => FAILED,
    }
}

fn convert(args: &Args) -> anyhow::Result<Damage> {
    let mut table = Table::new(Whole::begin(&args.output, args.force)?)?;
    let mut flat = Flattener::default();
    let mut damage = Damage::default();
    let mut give = |row: &Row<'_>| anyhow::Ok(table.write(row)?);
    for path in &args.files {
        let mut reader = Reader::of_argument(path, |source| source)?;
        flat.read(&mut reader, &mut give)?;
        damage.add(reader.damage());
        for line in view::damage(&reader.damage()) {
            eprintln!("forktrace: {}: {line}", clean(&path.to_string_lossy()));
        }
    }
    let report = flat.finish(&mut give)?;
    let (file, rows) = table.finish()?;
    file.finish()?;
    let failures = count(report.totals.failures, "failed creation");
    eprintln!("forktrace: {failures} in {}", count(rows, "row"));
    Ok(damage)
}
