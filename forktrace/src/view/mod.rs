//! Views: the only place that escapes and colours.

mod escape;
mod text;

pub use escape::{clean, is_harmful};
pub use text::{Screen, Verbosity};
