//! What a verdict's answer takes beside the verdict: read by the tracer, once for each.

use std::path::PathBuf;

use super::knob::nproc::Sources;
use crate::{
    host::{
        docker::Creator,
        etc::Etc,
        growth::Growth,
        oom_score::Unkillable,
        unit_files::Assignment,
        unit_limits::{UnitLimit, UnitPlace},
    },
    model::{Holder, Memory},
};

/// What is known of a limit and of this forktrace when a refusal is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Who fills the limit. Empty where nobody was counted.
    pub holders: Vec<Holder>,
    /// How many of the refused program's tasks have begun lately, where it fills the limit.
    pub growth: Option<Growth>,
    /// How many tasks there would have been of the limit, had it refused none of a program's threads.
    pub wanted: Option<u64>,
    /// The host's memory at this refusal; `None` where it doesn't matter, or was read a moment ago.
    pub memory: Option<Memory>,
    /// As it was read last: settings that seldom change.
    pub last_memory: Option<Memory>,
    /// What the limit's own file says now (`Some(None)`: no limit): it may have been changed since it
    /// refused. `None` where it has no such file, or that can't be read.
    pub current: Option<Option<u64>>,
    /// What a file of systemd's says of the limit.
    pub unit_limit: Option<UnitLimit>,
    /// What is known of the unit that has the limit.
    pub unit: UnitPlace,
    /// What has had Docker create the container whose limit it is.
    pub creator: Option<Creator>,
    /// Which file sets the limit at boot, where it is a setting of the whole host.
    pub sysctl: Option<Assignment>,
    /// Who may have set the limit of a process, where it is one: the process and those above it.
    pub sources: Sources,
    /// Whom the OOM killer may not kill in the limit's cgroup.
    pub unkillable: Option<Unkillable>,
    /// What the host would have promised, at most, had a refused copy of an address space passed as a whole;
    /// bytes.
    pub whole_copy: Option<u64>,
    /// How much of the limit's cgroup this forktrace can see.
    pub visibility: Visibility,
    /// Of the limits that were full as well ([`super::also_full()`]), in their order: what their steps rest
    /// on.
    pub also_full: Vec<Self>,
    /// forktrace is in a pid namespace of its own.
    pub in_pid_namespace: bool,
    /// NixOS makes the host's files, as far as these can be seen.
    pub nixos: bool,
    /// What becomes of what is written to the host's /etc.
    pub etc: Etc,
}

/// What this forktrace sees of the limit's cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// It is in the initial cgroup namespace: all of it, by the same path.
    #[default]
    Whole,
    /// It is in another, which has the cgroup as this folder.
    Folder(PathBuf),
    /// It is in another, which hasn't got the cgroup: it lies above, or beside.
    None,
}
