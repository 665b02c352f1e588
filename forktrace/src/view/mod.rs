//! Views: the only place that escapes and colours.

mod check;
mod colours;
mod explain;
mod holders;
mod markdown;
mod memory;
mod report;
mod selftest;
mod text;
mod wrap;

pub use crate::model::{clean, is_harmful};
pub use check::check_text;
pub use explain::{list, page};
pub use markdown::{document, section};
pub use report::{report_digest, report_page, report_text};
pub use selftest::SelftestTable;
pub use text::{Screen, Verbosity};

/// "1 OOM kill", "2 OOM kills".
pub fn oom_kills(count: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} OOM kill{s}")
}
