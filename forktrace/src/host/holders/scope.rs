//! What is counted, and where.

use std::path::PathBuf;

use crate::host::cgroup::Version;

/// How a process fills a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// By its tasks: threads, and zombies.
    Tasks,
    /// By resident anonymous and shared memory (RssAnon, RssShmem). A page is
    /// charged to the cgroup that first used it: what a child shares with a parent
    /// elsewhere is resident and not charged here. Page cache and the kernel's own
    /// memory are charged, and can't be told by process.
    Resident,
    /// By private writable address space (VmData, VmStk), used or not: what
    /// Committed_AS adds up, but for shared memory.
    Private,
}

/// Whose tasks a limit counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of a cgroup and of all below it.
    Cgroup {
        /// Its folder.
        folder: PathBuf,
        /// Its path, as /proc/PID/cgroup names it here.
        path: PathBuf,
        /// Which files list its tasks.
        version: Version,
        /// Tasks or memory.
        fill: Fill,
    },
    /// Those of a user, as RLIMIT_NPROC counts.
    User {
        /// Real uid.
        uid: u32,
        /// Since 5.14: the user namespace in which they are counted. Tasks in
        /// namespaces that the user has created there count, whoever they are.
        userns: Option<u32>,
    },
    /// Those with an id in a pid namespace: its own, and of those below.
    PidNamespace {
        /// Its inode number.
        inum: u32,
    },
    /// All.
    Host {
        /// Tasks or memory.
        fill: Fill,
    },
}

impl Scope {
    /// By what processes fill it.
    pub fn fill(&self) -> Fill {
        match self {
            Self::Cgroup { fill, .. } | Self::Host { fill } => *fill,
            Self::User { .. } | Self::PidNamespace { .. } => Fill::Tasks,
        }
    }
}
