//! Everything that `check` wants to know of the host, read at once.

mod gather;
mod namespaces;

pub use namespaces::is_initial_pid_namespace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::{
    at_start::{self, Next},
    cgroup::{CgroupUse, Hierarchies, Hierarchy, Resource},
    limits::HostNow,
    passwd::Passwd,
    process::{Limits, Status},
    unit_limits::{UnitLimit, UnitLimits},
    user_namespace::{INITIAL, UserNamespaces},
};

/// Whose next fork is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    /// Anybody's on this host.
    #[default]
    Host,
    /// This process's; any thread's id will do.
    Process(u32),
    /// Of whoever is in this cgroup or below it; with `unit`, it is that unit's.
    Cgroup {
        /// The hierarchy that the path is of.
        hierarchy: Hierarchy,
        /// The cgroup's path in it.
        path: PathBuf,
        /// The systemd unit whose cgroup it is.
        unit: Option<String>,
    },
    /// This uid's.
    User(u32),
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// It is of a cgroup, or of all.
    pub of_cgroup: bool,
    /// A file, or what was looked for.
    pub what: String,
    /// What the kernel answered.
    pub why: String,
}

/// What only one process has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Mappings; `None` without the privilege to trace the process.
    pub mappings: Option<u64>,
    /// vm.max_map_count.
    pub max_map_count: Option<u64>,
    /// Bytes of the largest mapping that a fork promises again; where the mappings' flags weren't read, of the
    /// largest private writable one.
    pub largest_mapping: Option<u64>,
    /// Bytes of all mappings that a fork promises again, where the flags were read.
    pub promises: Option<u64>,
    /// SCHED_DEADLINE.
    pub deadline: bool,
    /// The same of all threads, with nothing to be reset on fork.
    pub deadline_refuses: bool,
    /// RLIMIT_DATA refuses nothing on this host.
    pub data_limit_ignored: bool,
    /// Its children would go to a pid namespace whose init has ended.
    pub pid_namespace_dead: bool,
    /// Path in the hierarchy that limits tasks.
    pub cgroup: Option<String>,
}

/// One reading. The parts are read one after the other, so numbers can be apart
/// by what happened meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Readings {
    /// Whose limits were asked for.
    pub subject: Subject,
    /// UTC, RFC 3339.
    pub time: String,
    /// Name of the host.
    pub hostname: String,
    /// uname -r.
    pub kernel: String,
    /// The host's own limits, and what is in use of them.
    pub host: HostNow,
    /// Whether this process is in the host's pid namespace.
    pub initial_pid_namespace: bool,
    /// Whether cgroups above those that can be seen may limit.
    pub hides_cgroups: bool,
    /// Of the processes that are asked for, those whose cgroup lies outside this process's cgroup namespace.
    pub outside: BTreeSet<u32>,
    /// Whether others' processes are hidden (`hidepid`).
    pub hidden: bool,
    /// All processes that /proc shows.
    pub processes: Vec<Status>,
    /// Tasks whose id is below [`RESERVED_PIDS`](crate::evidence::RESERVED_PIDS) or from pid_max on.
    pub ids_outside: u64,
    /// User namespaces, and who is in which.
    pub namespaces: UserNamespaces,
    /// Linux 5.14+: tasks are counted by user namespace and uid.
    pub counts_by_namespace: bool,
    /// By pid, of the processes that are asked for.
    pub limits: BTreeMap<u32, Limits>,
    /// Limits of the cgroups that are asked for, those without a number too.
    pub cgroups: Vec<CgroupUse>,
    /// By the limit's file, of those among them that a file of systemd's says.
    pub unit_limits: BTreeMap<PathBuf, UnitLimit>,
    /// What a start of the unit, or a login of the user, would get.
    pub next: Option<Next>,
    /// The process that is asked for, or the first of a unit or cgroup.
    pub main: Option<u32>,
    /// What only the process of `main` has.
    pub details: Option<Details>,
    /// Names by uid.
    pub users: BTreeMap<u32, String>,
    /// What could not be read.
    pub unreadable: Vec<Missing>,
}

impl Readings {
    /// Reads /proc and the cgroups. What can't be read is named in `unreadable`.
    pub fn read(subject: &Subject) -> Result<Self, ReadingsError> {
        gather::read(subject, Path::new("/proc"))
    }

    /// The process that it is about, if it is about one.
    pub fn process(&self) -> Option<&Status> {
        let pid = self.main?;
        self.processes.iter().find(|p| p.pid == pid)
    }

    /// A user's name.
    pub fn user(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }

    /// Whether it has CAP_SYS_ADMIN in the initial user namespace.
    pub fn is_admin(&self, process: &Status) -> bool {
        const CAP_SYS_ADMIN: u32 = 21;
        self.has_on_host(process, CAP_SYS_ADMIN)
    }

    /// Whether it has this capability in the initial user namespace, where `capable()` asks for it.
    pub fn has_on_host(&self, process: &Status, capability: u32) -> bool {
        self.is_on_host(process) && process.has_capability(capability)
    }

    /// Whether it is in the initial user namespace: one that may not be looked at is in this process's own, unless it is
    /// known not to be.
    pub fn is_on_host(&self, process: &Status) -> bool {
        let known = self.namespaces.of.get(&process.pid);
        let namespace = known.copied().unwrap_or(self.namespaces.own);
        namespace == INITIAL && !self.namespaces.elsewhere.contains(&process.pid)
    }
}

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum ReadingsError {
    /// It has ended, or never was.
    #[error("no process {0}")]
    NoProcess(u32),
    /// It is there, by what kill(2) answers, but not in this /proc (proc(5) `hidepid`).
    #[error(
        "/proc doesn't show process {0} to this user (it is mounted with hidepid): try as root"
    )]
    Hidden(u32),
    /// /proc isn't there, or is no proc.
    #[error("reading {path}")]
    Proc {
        /// The file of /proc.
        path: PathBuf,
        /// What the kernel answered.
        source: std::io::Error,
    },
}
