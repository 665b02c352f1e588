//! Who fills a limit.

use serde::{Deserialize, Serialize};

use super::words;

words! {
    /// What the name of a [`Holder`] is the name of.
    pub enum HolderKind {
        /// Processes of one name.
        Program = "program",
        /// The kernel's own threads.
        Kernel = "kernel",
        /// One process.
        Process = "process",
        /// A cgroup's path.
        Cgroup = "cgroup",
        /// A name in /etc/passwd, or `uid N`.
        User = "user",
    }
}

/// Who fills the refusing limit, counted over the limit's own scope some
/// milliseconds after the refusal.
///
/// Rows of one kind don't overlap, those of different kinds do: they are the same
/// tasks, seen otherwise. Of each kind the largest are recorded, largest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holder {
    /// What `name` is. `program`: processes of one name. `kernel`: the kernel's
    /// own threads. Where they say more: `process`, one process that alone has a
    /// quarter or more; `cgroup`, a path; `user`, a name in /etc/passwd or
    /// `uid N`.
    pub kind: HolderKind,
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
    /// For people: the states that PostgreSQL's backends have in their titles,
    /// in how many processes the tasks are, which process does not reap the
    /// zombies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
