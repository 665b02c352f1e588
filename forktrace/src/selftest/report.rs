//! What the selftest says: one JSON object a line, with the record schema's
//! number. Like records, fields are only ever added within it.

use serde::{Deserialize, Serialize};

use crate::model::{Cause, Certainty, Errno, Limit};

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    /// First: where, and how it is traced.
    SelftestStart(Start),
    /// One provocation and what came of it.
    SelftestCase(Case),
    /// Last.
    SelftestEnd(End),
}

/// First line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Start {
    /// The record schema's number.
    pub schema: u32,
    /// forktrace's version.
    pub version: String,
    /// Name of the host.
    pub host: String,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// Style of the probe that sees the failing return.
    pub attach: String,
    /// Whether host-wide settings are changed.
    pub disruptive: bool,
}

/// What came of a provocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The right cause, with the right errno, owner and numbers.
    Named,
    /// The record says `unknown`.
    Unknown,
    /// The record says another cause.
    Misnamed,
    /// The right cause; something else in the record is wrong.
    Wrong,
    /// Refused, and no record names it.
    Missed,
    /// It could not be provoked, though it should have been.
    Failed,
    /// Not provoked, for a reason.
    Skipped,
}

impl Outcome {
    /// The name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Unknown => "unknown",
            Self::Misnamed => "misnamed",
            Self::Wrong => "wrong",
            Self::Missed => "missed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Nothing to complain about.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Named | Self::Skipped)
    }
}

/// One provocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Case {
    /// What was provoked.
    pub cause: Cause,
    /// Which of several ways to it; empty for the plain one.
    pub variant: String,
    /// What came of it.
    pub outcome: Outcome,
    /// Creations that the kernel refused.
    pub refused: u64,
    /// What the refused creations returned; `null` where none was refused.
    pub errno: Option<Errno>,
    /// The cause that the record names.
    pub said: Option<Cause>,
    /// How sure the record is.
    pub certainty: Option<Certainty>,
    /// The limit that the record names.
    pub limit: Option<Limit>,
    /// Why it was skipped, or what is wrong; one sentence each.
    pub why: Vec<String>,
}

/// Last line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct End {
    /// Provocations whose records named cause and limit rightly.
    pub named: u64,
    /// Neither named nor skipped.
    pub not_named: u64,
    /// Provocations that were not tried; each says why.
    pub skipped: u64,
    /// What differs on the host from before, and records of refusals that
    /// nobody provoked; one sentence each.
    pub differences: Vec<String>,
    /// The signal that ended it early.
    pub signal: Option<i32>,
}

impl End {
    /// Every provoked cause was named, and the host is as before.
    pub fn is_fine(&self) -> bool {
        self.not_named == 0 && self.differences.is_empty() && self.signal.is_none()
    }
}

/// The JSON Schema of every line.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::SELFTEST.value()
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::SELFTEST.is_of(schemars::schema_for!(Line));
    }
}
