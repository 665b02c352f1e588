//! Records, as `live` and `replay` print them.

pub(super) mod json;
pub(super) mod text;
