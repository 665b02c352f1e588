//! Views: the only place that escapes and colours.

mod escape;
mod text;

pub use escape::clean;
pub use text::{Screen, Verbosity};
