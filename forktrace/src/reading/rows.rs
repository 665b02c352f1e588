//! Recordings as the rows of one table.

use std::path::PathBuf;

use super::each;
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
    let damage = each(files, |reader| flat.read(reader, &mut give))?;
    Ok((damage, flat.finish(give)?))
}

/// Says on standard error what was written.
pub fn tell_rows(report: &Report, rows: u64) {
    let failures = count(report.totals.failures, "failed creation");
    eprintln!("forktrace: {failures} in {}", count(rows, "row"));
}
