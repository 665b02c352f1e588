//! Views: the only place that escapes and colours.

mod colours;
mod escape;
mod text;
mod wrap;

pub use escape::{clean, is_harmful};
pub use text::{Screen, Verbosity};
