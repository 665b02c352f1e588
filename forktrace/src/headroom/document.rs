//! What `check` says: the types that `--format json` prints. Times are UTC, RFC
//! 3339; sizes are bytes.

use serde::{Deserialize, Serialize};

use super::Drift;
use crate::{
    host::{holders::Scope, identity},
    model::{Cause, Holder, Limit, Memory, Owner, words},
};

/// One reading.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Headroom {
    /// Number of this format: 1. Fields are only added to it.
    pub check: u32,
    /// forktrace's version.
    pub version: String,
    /// When the reading began: UTC, RFC 3339.
    pub time: String,
    /// Name of the host.
    pub host: String,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// Whose limits were asked for.
    pub of: Of,
    /// From this percentage on a limit is near (`--warn`).
    pub warn: f64,
    /// Limits that apply and are near: the exit status is 1 when there are any.
    pub near: u64,
    /// What refuses every fork of the process, whatever the limits: the exit
    /// status is 1 then, too.
    pub blocked: Vec<Blocked>,
    /// Nearest first; those that don't apply come last.
    pub limits: Vec<Row>,
    /// Limits that are not set to a number.
    pub unlimited: Vec<Row>,
    /// What could refuse as well, and can't be read.
    pub unreadable: Vec<Unreadable>,
    /// The process, where one was asked for or a unit or cgroup has one.
    pub process: Option<Process>,
    /// The host's memory.
    pub memory: Memory,
    /// What the kernel has logged.
    pub log: Log,
    /// What has changed since the baseline (`--against`).
    pub drift: Option<Drift>,
    /// Which limits would refuse which of so many more tasks (`--would`).
    #[serde(default)]
    pub would: Option<Would>,
    /// What cgroups count of tasks that were refused before this reading; absent where they count none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<Earlier>,
}

/// Refusals that cgroups count: whose and when, `check --past` tells as far as anybody can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Earlier {
    /// Cgroups that count any.
    pub cgroups: u64,
    /// How many, since these cgroups were made.
    pub refused: u64,
}

/// What would come of more tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Would {
    /// How many more were asked about.
    pub tasks: u64,
    /// The limits that would refuse one of them, in the order in which they come to it; with the first
    /// raised, the next one refuses. The exit status is 1 when there are any. A limit of promised memory can
    /// be there twice: for copies of the process, and for threads.
    pub refused: Vec<Refusal>,
    /// What as many forks of the process would promise, where promises are limited
    /// (vm.overcommit_memory=2).
    pub promised: Option<Promised>,
    /// The cgroups that are asked about lie apart: each is taken as if all went into it.
    pub apart: bool,
}

/// A limit that would refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Refusal {
    /// Which of the tasks is the first that it refuses, counted from 1.
    pub first: u64,
    /// The cause that the refusal would have in records.
    pub cause: Cause,
    /// The limit's numbers, as in `limits`.
    #[serde(flatten)]
    pub limit: Limit,
    /// Which creations the limit refuses.
    pub refuses: Refuses,
    /// As in `limits`.
    pub owner: Option<String>,
    /// As in `limits`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Promised {
    /// What one fork promises.
    pub each: u64,
    /// What all of them promise.
    pub all: u64,
    /// What may be promised still.
    pub left: u64,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Of {
    /// `host`, `process`, `cgroup`, `unit` or `user`.
    pub kind: SubjectKind,
    /// Its pid, path or name; `null` for the host.
    pub name: Option<String>,
}

words! {
    /// What kind of thing was asked for.
    #[derive(Default)]
    pub enum SubjectKind {
        /// Any fork.
        #[default]
        Host = "host",
        /// A process's forks.
        Process = "process",
        /// Forks in a cgroup.
        Cgroup = "cgroup",
        /// Forks in a systemd unit.
        Unit = "unit",
        /// Forks of a user.
        User = "user",
    }
}

/// What a limit refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Refuses {
    /// Every new task.
    Tasks,
    /// Processes that copy an address space. CommitLimit refuses the stacks of threads and of posix_spawn
    /// too, where less than one is left. vfork is refused by none.
    Processes,
    /// Threads, and processes by posix_spawn, by refusing their stacks.
    Threads,
}

/// What would be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// The unit.
    Start,
    /// A session of the user.
    Login,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// The limit, as records have it.
    #[serde(flatten)]
    pub limit: Limit,
    /// The cause that a refusal by it has in records.
    pub cause: Cause,
    /// Which creations the limit refuses.
    pub refuses: Refuses,
    /// How full: what is in use, without what the kernel would take back first,
    /// and with what is known to be asked for, of what may be used. `null`
    /// without a number.
    pub percent: Option<f64>,
    /// Of `usage`, what the kernel takes back before it refuses (page cache).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimable: Option<u64>,
    /// It isn't what runs that has this limit, but what would be started: `start` of the unit, `login`
    /// of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
    /// Of a cgroup below the one that was asked about: it refuses only what is in there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below: bool,
    /// Why this limit doesn't apply here, where it doesn't.
    pub exempt: Option<String>,
    /// systemd unit, container or pod that the cgroup belongs to, or the user's
    /// name.
    pub owner: Option<String>,
    /// Seconds until it is full at the growth seen; with `--watch` alone, and where the growth is steady.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_in_seconds: Option<u64>,
    /// Who fills it; counted for the nearest limits.
    pub holders: Vec<Holder>,
    /// Whom it counts; `None`: a limit that a process fills alone, or nobody knows.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub counts: Option<Scope>,
    /// What else to know, a sentence each.
    pub notes: Vec<String>,
}

/// Whether it is a cgroup of a container's.
pub fn is_in_container(owner: &Owner) -> bool {
    let path = owner.cgroup_path();
    path.is_some_and(|path| identity::identify(path).container.is_some())
}

/// A state in which every fork is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Blocked {
    /// The cause that a refusal by it has in records.
    pub cause: Cause,
    /// In words.
    pub text: String,
}

/// Which limits something leaves open that could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Unseen {
    /// Those of cgroups, which are the usual ones.
    Cgroups,
    /// What a user namespace has kept of its creator's.
    UserNamespace,
    /// Others, or none.
    #[default]
    Others,
}

/// What could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unreadable {
    /// Which limits that leaves open.
    #[serde(default)]
    pub of: Unseen,
    /// What could not be read: a file, or what was looked for.
    pub what: String,
    /// Why: what the kernel answered.
    pub why: String,
}

/// The process that was asked for, or the first of the unit or cgroup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Process {
    /// Its pid, in this pid namespace.
    pub pid: u32,
    /// Its name; bytes that are no UTF-8 become U+FFFD.
    pub comm: String,
    /// False for a zombie: it has ended, and waits for its parent to reap it.
    pub alive: bool,
    /// `running`, `sleeping`, `disk sleep`, `stopped`, `traced`, `zombie`,
    /// `idle`.
    pub state: String,
    /// Pid of its parent; 0 where that is outside this pid namespace.
    pub parent: u32,
    /// Its real uid.
    pub uid: u32,
    /// Name of the uid; `null` where none is known.
    pub user: Option<String>,
    /// How many threads it has.
    pub threads: u64,
    /// Bytes that glibc maps for a thread's stack where the program asks for no other size: by the soft
    /// RLIMIT_STACK. `null` where that can't be read.
    #[serde(default)]
    pub thread_stack: Option<u64>,
    /// How many children it has, zombies included.
    pub children: u64,
    /// Of the children, those that have ended and weren't reaped.
    pub zombies: u64,
    /// Its cgroup, in the hierarchy that limits tasks.
    pub cgroup: Option<String>,
    /// The systemd unit that the cgroup names.
    pub unit: Option<String>,
    /// A policy of SCHED_DEADLINE, with which nothing may be created.
    pub deadline: bool,
}

/// The kernel's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Log {
    /// How far back it was looked at, in seconds.
    pub seconds: u64,
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// Lines before these.
    pub more: u64,
    /// Why it could not be read.
    pub unreadable: Option<String>,
}

/// What a line of the kernel's log reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// The host was out of memory, and a process was killed.
    OomKill,
    /// The OOM killer of a memory cgroup killed a process.
    CgroupOomKill,
    /// Nobody could be killed.
    OomNoVictim,
    /// The pids controller refused a fork; the kernel says so once for each
    /// cgroup that forks.
    ForkRefused,
    /// Overcommit refused a promise.
    Overcommit,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogLine {
    /// When it was logged: UTC, RFC 3339.
    pub time: String,
    /// What the line is about.
    pub kind: LogKind,
    /// The line, without its time.
    pub text: String,
}

/// The JSON Schema of what `check --format json` prints.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::CHECK.value()
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::CHECK.is_of(schemars::schema_for!(Headroom));
    }
}
