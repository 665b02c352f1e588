//! The kernel's interfaces that provocations need, as plain functions.

mod answer;
mod descriptor;
mod limit;
mod memory;
mod namespace;
mod process;
mod schedule;
pub mod signal;
mod user;

use std::fs;

pub use self::{
    answer::{check, errno},
    descriptor::{
        close_from, fill_descriptors, keep_only, leave_input_and_output, open_at, pipe, readable,
    },
    limit::{INFINITY, Resource, limit, limit_nproc, limit_of},
    memory::{
        Mapping, huge_page, lock_future, lock_present, map, map_huge, map_many, pin_pages,
        shared_counter,
    },
    namespace::{
        bind, enter_pid_namespace, mount, namespace, namespaces_are_counted, own_mounts,
        private_mounts, ucounts_table_is_shown, unmount, unshare,
    },
    process::{
        adopt_orphans, await_zombie, before_exec, child, die_with, die_with_parent,
        dies_with_parent, end, exists, exit, fork, has_children, has_ended, kill, parent, pid,
        reap, reap_all, reap_any, reap_within, set_comm, sleep_for_ever, tid,
    },
    schedule::{Pinned, be_nice, pin, sched_deadline, sched_idle},
    user::{
        become_real_uid, become_uid, become_uid_with_capabilities, become_uid_with_only,
        become_uids, become_user, map_own_ids, no_groups, own_proc_files,
    },
};
pub use rustix::process::Signal;

/// The kernel's version, major and minor.
pub fn kernel() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    let mut next = || parts.next().and_then(|p| p.parse().ok()).unwrap_or(0);
    (next(), next())
}
