//! Records: one JSON object a line, schema 1. The types here are the only
//! definition: written and read through serde, and `forktrace schema` prints
//! the JSON Schema generated from them.
//!
//! Fields are only ever added within a schema number, so readers ignore what
//! they don't know.

mod failure;
mod json;
pub(crate) mod oom_kill;
mod recent;
mod session;

pub use failure::Failure;
pub use json::{parse_line, write_line};
pub use oom_kill::{Constraint, InvokedBy, OomKill, Victim};
pub(crate) use recent::Recent;
pub use session::{
    Alike, HostLimits, Inside, Loss, PROC, ProbeInUse, Repeat, Session, Summary, TASK_ITER,
};

/// What records are made of.
pub use crate::model::{
    Caller, Candidate, Certainty, Cgroup, CgroupOwner, Containers, Errno, Fix, Holder, HolderKind,
    Limit, LimitKind, LossReason, Memory, NoErrno, Operation, Owner, Qos, Unit,
};

use serde::{Deserialize, Serialize};

/// The schema number that this version writes.
pub const SCHEMA: u32 = 1;

/// One line of the stream or of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// First line: what is traced, and how.
    Session(Box<Session>),
    /// A refused creation, explained.
    Failure(Box<Failure>),
    /// More refusals like an earlier one, counted.
    Repeat(Repeat),
    /// Refusals whose detail was lost.
    Loss(Loss),
    /// A process that the OOM killer has killed: no failure.
    OomKill(Box<OomKill>),
    /// Last line of a clean end: exact totals.
    Summary(Summary),
}

impl Record {
    /// When it is of, UTC, RFC 3339: of repeats when the last came, of losses since when.
    pub fn time(&self) -> &str {
        match self {
            Self::Session(session) => &session.started,
            Self::Failure(failure) => &failure.time,
            Self::Repeat(repeat) => &repeat.last,
            Self::Loss(loss) => &loss.since,
            Self::OomKill(kill) => &kill.time,
            Self::Summary(summary) => &summary.ended,
        }
    }
}

/// The JSON Schema of every record.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::RECORDS.value()
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::RECORDS.is_of(schemars::schema_for!(Record));
    }
}
