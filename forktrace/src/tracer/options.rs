//! What to trace, and how.

use std::{collections::BTreeMap, path::PathBuf};

use forktrace_common::settings::Settings;

use crate::{
    host::ancestry,
    model::{Cause, Cgroup, Containers, Errno},
    probe::style::Style,
};

/// Options of a session.
#[derive(Clone, Debug)]
pub struct Options {
    /// `None`: the best that the kernel accepts.
    pub attach: Option<Style>,
    /// A BTF file in place of the kernel's own.
    pub btf: Option<PathBuf>,
    /// Also what seccomp filters refuse, at a cost for every system call that
    /// passes one.
    pub seccomp: bool,
    /// Filters that the kernel side applies.
    pub settings: Settings,
    /// Filters that need the verdict.
    pub selection: Selection,
    /// Size of the ring buffer; a power of two and at least a page.
    pub ring_bytes: u32,
    /// What records call this host; `None`: by its name.
    pub host: Option<String>,
    /// Kernel-side debug log.
    pub debug: bool,
    /// The filters as they were given, for the `session` record.
    pub filters: BTreeMap<String, String>,
}

/// Filters on what only user space knows.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Empty: all.
    pub causes: Vec<Cause>,
    /// Empty: all.
    pub errnos: Vec<Errno>,
    /// Of these pods and containers.
    pub containers: Containers,
    /// Descendants of this process only; `None`: the kernel side looks.
    pub descends_from: Option<u32>,
}

impl Selection {
    /// Whether anything is filtered here.
    pub fn is_active(&self) -> bool {
        !self.causes.is_empty()
            || !self.errnos.is_empty()
            || self.descends_from.is_some()
            || self.containers.chooses()
    }

    /// Whether OOM kills are wanted: they have no cause and no errno to be asked for by.
    pub fn wants_kills(&self) -> bool {
        self.causes.is_empty() && self.errnos.is_empty()
    }

    /// Whether the OOM kill of a task of this cgroup is.
    pub fn wants_kill(&self, cgroup: &Cgroup) -> bool {
        self.wants_kills() && self.containers.has(cgroup)
    }

    /// Whether a failure is wanted.
    pub fn wants(&self, cause: Cause, errno: Errno, pid: u32, cgroup: &Cgroup) -> bool {
        (self.causes.is_empty() || self.causes.contains(&cause))
            && (self.errnos.is_empty() || self.errnos.contains(&errno))
            && self.containers.has(cgroup)
            && self
                .descends_from
                .is_none_or(|ancestor| ancestry::descends_from(pid, ancestor))
    }
}
