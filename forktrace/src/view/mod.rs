//! Views: the only place that escapes and colours.

mod check;
mod colours;
mod escape;
mod explain;
mod markdown;
mod report;
mod selftest;
mod text;
mod wrap;

pub use check::check_text;
pub use escape::{clean, is_harmful};
pub use explain::{list, page};
pub use markdown::{document, section};
pub use report::{report_page, report_text};
pub use selftest::SelftestTable;
pub use text::{Screen, Verbosity};
