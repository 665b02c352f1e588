//! The catalogue of causes, as `explain` prints it.

pub(super) mod json;
pub(super) mod markdown;
pub(super) mod text;

use crate::cause::Page;

/// What is to be explained.
#[derive(Clone, Debug)]
pub enum Explained {
    /// Every cause.
    All,
    /// One cause.
    One(&'static Page),
    /// Those that a word such as EAGAIN can mean.
    Several(Vec<&'static Page>),
    /// Each of these, in full.
    Each(Vec<&'static Page>),
}
