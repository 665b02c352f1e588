//! The records around the failures: `session`, `repeat`, `loss`, `summary`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::LossReason;

/// A probe that is attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProbeInUse {
    /// The kernel function or tracepoint.
    pub target: String,
    /// `fexit`, `kprobe` or `tracepoint`.
    pub style: String,
}

/// The host's limits when the session began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostLimits {
    /// kernel.pid_max as forktrace's pid namespace shows it.
    pub pid_max: Option<u64>,
    /// kernel.threads-max.
    pub threads_max: Option<u64>,
    /// Tasks that existed (/proc/loadavg).
    pub threads: Option<u64>,
    /// vm.overcommit_memory: 0 heuristic, 1 always, 2 never.
    pub overcommit_memory: Option<u64>,
    /// CommitLimit, bytes.
    pub commit_limit: Option<u64>,
    /// Committed_AS, bytes.
    pub committed: Option<u64>,
}

/// [`Session::holders_by`]: a BPF task iterator counts them.
pub const TASK_ITER: &str = "iter/task";
/// [`Session::holders_by`]: they are read from /proc.
pub const PROC: &str = "/proc";

/// A namespace, other than the host's initial one, that forktrace itself is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Inside {
    /// Of process ids. `pid`, `tid` and `ppid` are the host's numbers all the same; what only
    /// /proc has of other processes (`exe`, `holders`) is missing.
    PidNamespace,
    /// Of cgroups. Paths are the host's all the same; the files of limits (`file`), and commands
    /// that would change them, are missing.
    CgroupNamespace,
}

/// Written when every probe is attached: a script that waits for this line
/// misses nothing that comes after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Session {
    /// Schema number of the records that follow.
    pub schema: u32,
    /// forktrace's version.
    pub version: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// Host name.
    pub host: String,
    /// /proc/sys/kernel/random/boot_id: another one after each boot; `null` where it can't be read.
    pub boot_id: Option<String>,
    /// Kernel release (uname -r).
    pub kernel: String,
    /// Style of the probe that sees the failing return.
    pub attach: String,
    /// What is attached, each with its style.
    pub probes: Vec<ProbeInUse>,
    /// Evidence that this kernel doesn't give, one sentence each.
    pub absent: Vec<String>,
    /// Where the holders of a limit on tasks are read: `iter/task` (a BPF task iterator) or `/proc`.
    /// Missing inside a pid namespace, where nothing is counted, and in recordings of versions that
    /// had /proc alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holders_by: Option<String>,
    /// What keeps forktrace from seeing all of the host; absent on the host itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Inside>,
    /// The filters that are on, as given.
    pub filters: BTreeMap<String, String>,
    /// Limits of the host when the session began.
    pub limits: HostLimits,
}

/// More refusals like an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Repeat {
    /// `seq` of the failure that these repeat.
    pub of: u64,
    /// How many they are.
    pub count: u64,
    /// UTC, RFC 3339: when the first of them came.
    pub first: String,
    /// UTC, RFC 3339: when the last of them came.
    pub last: String,
    /// What they have in common with it.
    #[serde(default, skip_serializing_if = "Alike::is_process")]
    pub alike: Alike,
}

/// What repeats have in common with the failure that they repeat. In a storm of many processes or
/// cgroups they are counted by coarser keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Alike {
    /// Process, cgroup, and what refused.
    #[default]
    Process,
    /// User, cgroup, and what refused: other processes as well.
    UserAndCgroup,
    /// The check that refused: other users, cgroups and limits as well.
    Check,
}

impl Alike {
    /// Whether they are the same process's.
    pub fn is_process(&self) -> bool {
        *self == Self::Process
    }

    /// Whether they are the same user's in the same cgroup, at the same limit.
    pub fn is_of_cgroup(self) -> bool {
        self != Self::Check
    }
}

/// Refusals that were counted but whose detail was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Loss {
    /// How many; of the reason `skipped`, at most so many.
    pub count: u64,
    /// UTC, RFC 3339: lost since then.
    pub since: String,
    /// Why: `ring_full`, `keys_full`, `return_missed`; `undecided`: counted together with failures of
    /// several causes or owners, or of none that was recorded; `no_space`: not recorded,
    /// because the disk had less room than `--min-free`; `skipped`: the kernel ran
    /// no program on some returns, failing or not, so that at most `count`
    /// failures are missing; `oom_kill`: `count` OOM kills are not recorded, and no failure is missing.
    pub reason: LossReason,
}

impl Loss {
    /// See [`LossReason::is_of_failures`].
    pub fn is_of_failures(&self) -> bool {
        self.reason.is_of_failures()
    }

    /// In words, for who reads one record alone.
    pub fn sentence(&self) -> String {
        let n = self.count;
        match &self.reason {
            LossReason::OomKill => format!("{n} OOM kills could not be recorded"),
            LossReason::Skipped => {
                format!("the kernel skipped forktrace on up to {n} returns, failing or not")
            }
            reason => format!("{n} failures were counted without detail ({reason})"),
        }
    }
}

/// Exact totals of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// UTC, RFC 3339.
    pub ended: String,
    /// Every failing return that passed the kernel's filters.
    pub failures: u64,
    /// Of these, by cause, repeats included.
    pub causes: BTreeMap<String, u64>,
    /// Counted without detail.
    pub lost: u64,
    /// Creations that a fatal signal cut short: no failures, counted for
    /// completeness.
    pub killed: u64,
    /// Returns, failing or not, that the kernel may have kept from forktrace:
    /// at most so many failures are missing above. Always 0 where the kernel
    /// doesn't preempt itself.
    #[serde(default)]
    pub skipped: u64,
    /// Processes that the OOM killer has made its victims: exact, and no failures.
    #[serde(default)]
    pub oom_kills: u64,
    /// Creations that failed with errnos that were not asked for (`--errno`) and are not among the failures.
    /// `None`: not counted, because what is recorded was selected by more than the kernel's filters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_errnos: Option<u64>,
}
