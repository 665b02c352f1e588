//! Causes: which check refused, whose limit it is, what to do.
//!
//! [`judge`] is a pure function of the evidence. One file a cause: how it is
//! recognised and what is said of it ([`CATALOGUE`]), and its page for
//! `forktrace explain` ([`PAGES`]). A new cause is one new file and one line in
//! each list; what has a page only is explained, and never concluded.

mod candidates;
mod cap_checkpoint_restore;
mod cap_sys_admin;
mod cgroup_kernel_memory_max;
mod cgroup_memory_max;
mod cgroup_pids_max;
mod chroot;
mod clone_flags;
mod clone_into_cgroup;
mod commit_limit;
mod exec_in_progress;
mod fatal_signal;
mod file_max;
mod hugetlb;
mod judge;
mod kernel_memory;
mod leak;
mod lsm;
mod max_map_count;
mod max_namespaces;
mod nproc_at_exec;
mod nr_open;
mod outside;
mod overcommit;
mod owner;
mod page;
pub mod percentage;
mod pid_max;
mod pid_namespace_dead;
mod pid_namespace_level;
mod rlimit_as;
mod rlimit_data;
mod rlimit_memlock;
mod rlimit_nofile;
mod rlimit_nproc;
mod rlimit_stack;
mod sched_deadline;
mod sched_ext;
mod seccomp;
mod set_tid_in_use;
mod set_tid_invalid;
mod thread_stack;
mod threads_max;
mod unknown;
mod unprivileged_userns;
mod user_namespace_level;
mod words;

pub use commit_limit::raise as raise_commit_limit;
pub use judge::{Verdict, judge};
pub use leak::warnings;
pub use outside::{Sight, complete};
pub use page::{Check, Line, Myth, Page, Remedy, Step};
pub use words::{Words, explain};

pub use crate::model::Cause;

use crate::{
    evidence::Evidence,
    model::{Certainty, Fix, Limit},
};

/// What the catalogue says of a cause.
impl Cause {
    /// Every cause, in the order of [`PAGES`].
    pub fn all() -> impl Iterator<Item = Self> {
        PAGES.iter().map(|p| p.cause)
    }

    /// Whether a verdict names it under `--thread-stacks` only.
    pub fn only_of_thread_stacks(self) -> bool {
        let of = |list: &[Entry]| list.iter().any(|e| e.cause == self);
        of(STACK_CATALOGUE) && !of(CATALOGUE)
    }

    /// The causes that a verdict can name: those of the catalogue, in the order
    /// of the kernel's checks, and `unknown`.
    pub fn judged() -> impl Iterator<Item = Self> {
        let of_creations = |cause| CATALOGUE.iter().any(|e| e.cause == cause);
        let stacks = STACK_CATALOGUE.iter().map(|e| e.cause);
        CATALOGUE
            .iter()
            .map(|e| e.cause)
            .chain(stacks.filter(move |c| !of_creations(*c)))
            .chain([Self::Unknown])
    }

    /// What `forktrace explain` tells of it.
    ///
    /// # Panics
    ///
    /// Never: a test sees to it that every cause has its page.
    pub fn page(self) -> &'static Page {
        PAGES
            .iter()
            .find(|p| p.cause == self)
            .expect("every cause has a page")
    }
}

/// That a cause is the one, and how sure that is.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub certainty: Certainty,
    /// The limit that refused; `None` for a cause that is none.
    pub limit: Option<Limit>,
}

impl Finding {
    fn observed(limit: impl Into<Option<Limit>>) -> Option<Self> {
        Some(Self {
            certainty: Certainty::Observed,
            limit: limit.into(),
        })
    }

    fn inferred(limit: impl Into<Option<Limit>>) -> Option<Self> {
        Some(Self {
            certainty: Certainty::Inferred,
            limit: limit.into(),
        })
    }
}

/// One cause of the catalogue.
pub struct Entry {
    pub cause: Cause,
    /// Looks at what the stages told: the refusing check was seen.
    pub seen: fn(&Evidence) -> Option<Finding>,
    /// Looks at the snapshot alone: this limit was exhausted at the return.
    pub exhausted: fn(&Evidence) -> Option<Finding>,
    /// What to do about it.
    pub fix: fn(&Verdict, &Words<'_>) -> Vec<Fix>,
    /// One sentence: who was refused what, by whose limit, how full.
    pub summary: fn(&Verdict, &Words<'_>) -> String,
}

/// Every cause but `unknown`, in the order of the kernel's checks
/// (kernel/fork.c `copy_process`).
pub const CATALOGUE: &[Entry] = &[
    fatal_signal::ENTRY,
    seccomp::ENTRY,
    clone_flags::ENTRY,
    unprivileged_userns::ENTRY,
    user_namespace_level::ENTRY,
    chroot::ENTRY,
    rlimit_nproc::ENTRY,
    threads_max::ENTRY,
    sched_deadline::ENTRY,
    nr_open::ENTRY,
    lsm::ENTRY,
    exec_in_progress::ENTRY,
    cgroup_memory_max::ENTRY,
    cgroup_kernel_memory_max::ENTRY,
    overcommit::ENTRY,
    hugetlb::ENTRY,
    cap_sys_admin::ENTRY,
    pid_namespace_level::ENTRY,
    max_namespaces::ENTRY,
    set_tid_invalid::ENTRY,
    cap_checkpoint_restore::ENTRY,
    set_tid_in_use::ENTRY,
    pid_max::ENTRY,
    pid_namespace_dead::ENTRY,
    rlimit_nofile::ENTRY,
    file_max::ENTRY,
    clone_into_cgroup::ENTRY,
    cgroup_pids_max::ENTRY,
    sched_ext::ENTRY,
];

/// Every cause but `unknown` of a thread's stack that is refused. Their order
/// differs between mmap and mprotect and is
/// [`crate::evidence::ThreadStack::refused_by`]'s.
pub const STACK_CATALOGUE: &[Entry] = &[
    max_map_count::ENTRY,
    rlimit_memlock::ENTRY,
    rlimit_as::ENTRY,
    rlimit_data::ENTRY,
    overcommit::ENTRY,
];

/// The JSON Schema of what `forktrace explain --format json` prints.
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Line<'_>).to_value()
}

/// The page of every cause: the tasks' limits, what else answers EAGAIN, what
/// answers ENOMEM, what a thread's stack meets before any creation is tried, what
/// answers other errnos.
pub static PAGES: &[Page] = &[
    rlimit_nproc::PAGE,
    threads_max::PAGE,
    sched_deadline::PAGE,
    exec_in_progress::PAGE,
    pid_max::PAGE,
    cgroup_pids_max::PAGE,
    lsm::PAGE,
    seccomp::PAGE,
    sched_ext::PAGE,
    pid_namespace_dead::PAGE,
    overcommit::PAGE,
    hugetlb::PAGE,
    cgroup_memory_max::PAGE,
    cgroup_kernel_memory_max::PAGE,
    kernel_memory::PAGE,
    rlimit_as::PAGE,
    rlimit_data::PAGE,
    max_map_count::PAGE,
    rlimit_memlock::PAGE,
    rlimit_stack::PAGE,
    max_namespaces::PAGE,
    user_namespace_level::PAGE,
    pid_namespace_level::PAGE,
    cap_sys_admin::PAGE,
    unprivileged_userns::PAGE,
    chroot::PAGE,
    cap_checkpoint_restore::PAGE,
    set_tid_in_use::PAGE,
    set_tid_invalid::PAGE,
    clone_flags::PAGE,
    rlimit_nofile::PAGE,
    file_max::PAGE,
    nr_open::PAGE,
    clone_into_cgroup::PAGE,
    fatal_signal::PAGE,
    unknown::PAGE,
];
