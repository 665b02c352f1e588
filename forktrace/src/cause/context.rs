//! What a verdict's answer takes beside the verdict: read by the tracer, once for each.

use std::path::PathBuf;

use crate::{
    host::percentages::Percentage,
    model::{Holder, Memory},
};

/// What is known of a limit and of this forktrace when a refusal is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Who fills the limit. Empty where nobody was counted.
    pub holders: Vec<Holder>,
    /// The host's memory at this refusal; `None` where it doesn't matter, or was read a moment ago.
    pub memory: Option<Memory>,
    /// As it was read last: settings that seldom change.
    pub last_memory: Option<Memory>,
    /// Where the limit follows from a percentage that systemd was given.
    pub percentage: Option<Percentage>,
    pub sight: Sight,
    /// forktrace is in a pid namespace of its own.
    pub in_pid_namespace: bool,
}

/// What this forktrace sees of the limit's cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// It is in the initial cgroup namespace: all of it, by the same path.
    #[default]
    Whole,
    /// It is in another, which has the cgroup as this folder.
    Folder(PathBuf),
    /// It is in another, which hasn't got the cgroup: it lies above, or beside.
    None,
}
