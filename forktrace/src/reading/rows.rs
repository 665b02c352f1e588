//! Recordings as the rows of one table.

use std::path::PathBuf;

use super::{Progress, open, tell_damage};
use crate::{
    flat::{Flattener, Row},
    recording::{Damage, ReadError},
    report::Report,
    view::count,
};

/// Gives the rows of all these files; what was damaged, which has been told, and their report.
pub fn rows<E: From<ReadError>>(
    files: &[PathBuf],
    mut give: impl FnMut(&Row<'_>) -> Result<(), E>,
) -> Result<(Damage, Report), E> {
    let mut flat = Flattener::default();
    let mut damage = Damage::default();
    let progress = Progress::of(files);
    for path in files {
        let mut reader = open(path, &progress)?;
        flat.read(&mut reader, &mut give)?;
        damage.add(reader.damage());
        if reader.damage().is_any() {
            progress.aside(|| tell_damage(path, reader.damage()));
        }
    }
    Ok((damage, flat.finish(give)?))
}

/// Says on standard error what was written.
pub fn tell_rows(report: &Report, rows: u64) {
    let failures = count(report.totals.failures, "failed creation");
    eprintln!("forktrace: {failures} in {}", count(rows, "row"));
}
