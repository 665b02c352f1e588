//! Views: what is printed. The only place that colours and wraps.
//!
//! An output prints one kind of thing ([`Output`]), and is a file of its own; [`formats`] has the
//! outputs of each command.

mod check;
mod colours;
mod csv;
mod damage;
mod explain;
pub mod formats;
mod holders;
mod json;
mod memory;
mod nothing;
mod output;
mod probes;
mod programs;
mod records;
mod report;
mod said;
mod schema;
mod selftest;
mod times;
pub mod top;
mod wrap;

pub use crate::model::{clean, is_harmful, quoted, shown, without_numbers, zone};
pub use csv::Csv;
pub use damage::{damage, not_in_files, without_summary};
pub use explain::Explained;
pub use nothing::nothing_passed;
pub use output::{Format, How, Look, Out, Output, Verbosity};
pub use probes::{Probes, RefusedProbe};
pub use records::text::Screen;
pub use report::{report_digest, report_page, report_text};
pub use times::with_offset;

/// "1 file", "2 files".
pub fn count(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{n} {what}{s}")
}

/// "1 OOM kill", "2 OOM kills".
pub fn oom_kills(n: u64) -> String {
    count(n, "OOM kill")
}
