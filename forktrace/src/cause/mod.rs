//! Causes: which check refused, whose limit it is, what to do.
//!
//! [`judge`] is a pure function of the evidence, [`answer`] one of the verdict and of what is known
//! beside it. One file a cause: how it is recognised, what is said of it, and its page for
//! `forktrace explain`. A new cause is its id ([`Cause`]), one new file, and one line in the
//! catalogue.

mod also_full;
mod answer;
mod candidates;
mod cap_checkpoint_restore;
mod cap_sys_admin;
mod catalogue;
mod cgroup_kernel_memory_max;
mod cgroup_memory_max;
mod cgroup_pids_max;
mod chroot;
mod clone_flags;
mod clone_into_cgroup;
mod commit_limit;
mod context;
mod entry;
mod etc;
mod exec_in_progress;
mod fatal_signal;
mod file_max;
mod holder_warnings;
mod hugetlb;
mod judge;
mod kernel_memory;
mod knob;
mod limits;
mod lookup;
mod lsm;
mod max_map_count;
mod max_namespaces;
mod nproc_at_exec;
mod nr_open;
mod outside;
mod overcommit;
mod page;
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
mod subject;
mod thread_stack;
mod threads_max;
pub mod unit_limit;
mod unknown;
mod unprivileged_userns;
mod user_namespace_level;
mod verdict;
mod words;

pub use also_full::also_full;
pub use answer::{Answer, answer};
pub use catalogue::pages;
pub use context::{Context, Visibility};
pub use entry::{Entry, Finding};
pub use judge::judge;
pub use knob::nproc::{Above, Sources, UnitSays};
pub use lookup::{Lookup, Near, lookup, named};
pub use page::{Check, Line, Myth, Page, Remedy, Step};
pub use subject::Subject;
pub use verdict::Verdict;

pub use crate::model::Cause;

/// The JSON Schema of what `forktrace explain --format json` prints.
pub fn json_schema() -> serde_json::Value {
    crate::model::published::EXPLANATIONS.value()
}

#[cfg(test)]
mod schema_tests {
    use super::*;

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        crate::model::published::EXPLANATIONS.is_of(schemars::schema_for!(Line<'static>));
    }
}
