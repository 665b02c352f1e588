//! Views: the only place that escapes and colours.

mod escape;
mod selftest;
mod text;

pub use escape::{clean, is_harmful};
pub use selftest::SelftestTable;
pub use text::{Screen, Verbosity};
