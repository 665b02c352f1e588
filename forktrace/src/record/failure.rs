//! The `failure` record.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Errno, Memory};
use crate::cause::Cause;

/// What was being created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A process with an address space of its own, or CLONE_VM without thread.
    Process,
    /// A thread (CLONE_THREAD).
    Thread,
    /// A process by vfork or posix_spawn (CLONE_VFORK).
    Vfork,
    /// Nothing: a program was to be executed (execve, execveat).
    Exec,
    /// A kernel thread, or a helper that the kernel starts (core_pattern).
    KernelThread,
    /// An io_uring worker.
    IoWorker,
    /// The stack of a thread that was to be created (`--thread-stacks`).
    ThreadStack,
}

/// How far the verdict can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// The refusing check was seen to refuse.
    Observed,
    /// Concluded from what the limits held at the failing return.
    Inferred,
    /// Not known; the candidates say what could have been it.
    Unknown,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Processes and threads alike.
    Tasks,
    /// Process ids (a thread has one of its own).
    Ids,
    /// Bytes.
    Bytes,
    /// Mappings of an address space.
    Mappings,
    /// Namespaces of one kind.
    Namespaces,
    /// Levels of nested namespaces.
    Levels,
    /// File descriptors of one process.
    Descriptors,
    /// Open files of the whole host.
    Files,
    /// Huge pages of one size.
    HugePages,
}

/// The limit that refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Limit {
    /// As people know it: `pids.max`, `RLIMIT_NPROC`, `kernel.pid_max`, …
    pub name: String,
    /// Who owns it: a cgroup's path from its hierarchy's root, `uid N`,
    /// `user namespace N`, `pid namespace N`, `scheduler NAME`, `host`, or
    /// `process`.
    pub scope: String,
    /// The bound; `null` where the cause has no number.
    pub value: Option<u64>,
    /// How much was in use at the refusal, without what was asked for.
    pub usage: Option<u64>,
    /// How much was asked for.
    pub requested: Option<u64>,
    /// What is counted.
    pub unit: Unit,
    /// Where the usable part is smaller than `value`: pid_max less the 300 ids
    /// that the kernel reserves, CommitLimit less the reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usable: Option<u64>,
    /// Where that is counted, if not on the whole host: RLIMIT_NPROC counts a user's tasks in each user
    /// namespace by itself (Linux 5.14+).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// The file that holds the limit, as this host's mounts show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl Limit {
    /// What `usage` has to be compared with.
    pub fn bound(&self) -> Option<u64> {
        self.usable.or(self.value)
    }

    /// How full, as a fraction; `None` without numbers.
    pub fn fullness(&self) -> Option<f64> {
        match (self.usage, self.bound()) {
            (Some(_), Some(0)) => Some(f64::INFINITY),
            (Some(usage), Some(bound)) => Some(usage as f64 / bound as f64),
            _ => None,
        }
    }
}

/// Another limit at the same instant: a runner-up, or one to rule out.
pub type Candidate = Limit;

/// Who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Caller {
    /// Thread group id, as the initial pid namespace numbers it.
    pub pid: u32,
    /// Thread id.
    pub tid: u32,
    /// Parent's thread group id.
    pub ppid: u32,
    /// Thread's name; bytes that are no UTF-8 become U+FFFD.
    pub comm: String,
    /// The raw bytes in hexadecimal, where `comm` had to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm_hex: Option<String>,
    /// Real uid (RLIMIT_NPROC counts by it), initial user namespace's number.
    pub uid: u32,
    /// Effective uid.
    pub euid: u32,
    /// Its name in /etc/passwd.
    pub user: Option<String>,
    /// Executable; `null` when the process was gone before it could be read.
    pub exe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exe_hex: Option<String>,
}

/// Where the caller lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cgroup {
    /// Path from the hierarchy's root, as the host sees it. The v2 hierarchy
    /// where it is in use, else that of the v1 pids controller.
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hex: Option<String>,
    /// kernfs id: the inode number of the cgroup's folder.
    pub id: u64,
    /// systemd unit that the path names.
    pub unit: Option<String>,
    /// Container id that the path names.
    pub container: Option<String>,
    /// Kubernetes pod uid that the path names.
    pub pod: Option<String>,
    /// The pod's quality of service class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub qos: Option<Qos>,
}

/// Quality of service class of a Kubernetes pod, as its status spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Qos {
    Guaranteed,
    Burstable,
    BestEffort,
}

/// Who fills the refusing limit, counted over the limit's own scope some
/// milliseconds after the refusal.
///
/// Rows of one kind don't overlap, those of different kinds do: they are the same
/// tasks, seen otherwise. Of each kind the largest are told, largest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// What `name` is. `program`: processes of one name. `kernel`: the kernel's
    /// own threads. Where they say more: `process`, one process that alone has a
    /// quarter or more; `cgroup`, a path; `user`, a name in /etc/passwd or
    /// `uid N`.
    pub kind: String,
    /// Bytes that are no UTF-8 become U+FFFD.
    pub name: String,
    /// Processes and threads alike, without zombies.
    pub tasks: u64,
    /// Processes that have ended and that their parent has not reaped: they fill
    /// limits on tasks all the same. Counted for those limits only.
    pub zombies: u64,
    /// Of a limit on memory only. memory.max: resident anonymous and shared
    /// memory (what several use counts for each, wherever it is charged; page cache
    /// and the kernel's own memory are nobody's). CommitLimit: private writable address
    /// space, used or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of `tasks`, PostgreSQL's backends that wait for their clients, in a
    /// transaction or not. Absent where there are no backends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<u64>,
    /// For people: the states that PostgreSQL's backends tell in their titles,
    /// in how many processes the tasks are, which process does not reap the
    /// zombies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// A command that helps at once.
    pub now: Option<String>,
    /// What makes it last.
    pub persistent: Option<String>,
    /// What to know before doing it.
    pub note: Option<String>,
}

/// A refused creation, explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Numbers the failures of a session from 1; `repeat` refers to it.
    pub seq: u64,
    /// UTC, RFC 3339.
    pub time: String,
    pub operation: Operation,
    /// The system call's name; `null` where none asked.
    pub syscall: Option<String>,
    pub errno: Errno,
    pub caller: Caller,
    pub cgroup: Cgroup,
    pub cause: Cause,
    pub certainty: Certainty,
    /// `null` for a cause that is no limit, and for `unknown`.
    pub limit: Option<Limit>,
    /// The other limits at that instant, fullest first.
    pub candidates: Vec<Candidate>,
    /// Empty for a cause that is no limit, for a limit that only the caller fills
    /// or whose holders can't be told, and where the same limit's were told within
    /// the last five seconds (in a storm over many limits, also later): an earlier
    /// record of the same limit has them then.
    pub holders: Vec<Holder>,
    /// The host's memory some milliseconds after the refusal. Absent for a cause that memory has
    /// nothing to do with, and where it was told of the same limit within the last five seconds
    /// (in a storm over many limits, also later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// One sentence.
    pub summary: String,
    pub fix: Vec<Fix>,
}
