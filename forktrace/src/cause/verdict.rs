//! What judging a failing return comes to.

use crate::model::{Candidate, Cause, Certainty, Limit};

/// What forktrace has to say about a failing return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which check refused.
    pub cause: Cause,
    /// How sure that is.
    pub certainty: Certainty,
    /// The refusing limit, with the numbers that were compared.
    pub limit: Option<Limit>,
    /// The other limits at the same instant, fullest first.
    pub candidates: Vec<Candidate>,
}
