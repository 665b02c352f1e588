//! The `failure` record.

use serde::{Deserialize, Serialize};

use crate::model::{
    Caller, Candidate, Cause, Certainty, Cgroup, Errno, Fix, Holder, Limit, Memory, Operation,
};

/// A refused creation, explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Failure {
    /// Numbers the failures of a session from 1; `repeat` refers to it.
    pub seq: u64,
    /// UTC, RFC 3339.
    pub time: String,
    /// What was asked for: a process, a thread, a program, a thread's stack.
    pub operation: Operation,
    /// The system call's name; `null` where none asked.
    pub syscall: Option<String>,
    /// What the call answered, by its name.
    pub errno: Errno,
    /// Who asked.
    pub caller: Caller,
    /// Where the caller lives.
    pub cgroup: Cgroup,
    /// Which check refused.
    pub cause: Cause,
    /// How `cause` is known: seen at the check, concluded from numbers, or neither.
    pub certainty: Certainty,
    /// `null` for a cause that is no limit, and for `unknown`.
    pub limit: Option<Limit>,
    /// The other limits at that instant, fullest first.
    pub candidates: Vec<Candidate>,
    /// Empty for a cause that is no limit, for a limit that only the caller fills
    /// or whose holders can't be known, and where the same limit's were recorded at the
    /// same value and use within the last five seconds (in a storm over many limits, also later): an earlier
    /// record of the same limit has them then.
    pub holders: Vec<Holder>,
    /// The host's memory some milliseconds after the refusal. Absent for a cause that memory has
    /// nothing to do with, and where it was recorded of the same limit within the last five seconds
    /// (in a storm over many limits, also later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// One sentence.
    pub summary: String,
    /// Ways out; empty where none is known.
    pub fix: Vec<Fix>,
}
