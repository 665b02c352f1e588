//! What a verdict is made of: what the checks said, and which limits were full when the creation
//! failed. Gathered at each failing return, reported in full or not, because failures are counted by it.

use crate::event::CgroupLimit;

/// Bits of [`Facts::bits`].
pub mod fact {
    // --- seen on the way out of copy_process()
    /// RLIMIT_NPROC was over, and the caller's capabilities were asked for (`capable`, called by
    /// `copy_process` for this alone).
    pub const NPROC_ASKED: u32 = 1;
    /// The half-made child was seen as its credentials were given back.
    pub const CHILD_SEEN: u32 = 1 << 1;
    /// `sched_fork` had been reached.
    pub const SCHED_REACHED: u32 = 1 << 2;
    /// `security_task_alloc` had agreed.
    pub const SECURITY_PASSED: u32 = 1 << 3;
    /// `__vm_enough_memory` refused within this creation.
    pub const OVERCOMMIT_REFUSED: u32 = 1 << 4;
    /// `pids_can_fork` was seen to give back the refusing cgroup's charge.
    pub const PIDS_SEEN: u32 = 1 << 5;
    /// A memory cgroup's OOM killer found no victim within this creation.
    pub const MEMCG_SEEN: u32 = 1 << 6;
    // --- read at the failing return
    /// RLIMIT_NPROC doesn't apply to the caller.
    pub const NPROC_EXEMPT: u32 = 1 << 7;
    /// A level of RLIMIT_NPROC has no room.
    pub const NPROC_FULL: u32 = 1 << 8;
    /// kernel.threads-max is reached.
    pub const THREADS_FULL: u32 = 1 << 9;
    /// SCHED_DEADLINE without SCHED_FLAG_RESET_ON_FORK.
    pub const DEADLINE: u32 = 1 << 10;
    /// A pid namespace has no id to give; several have none.
    pub const PID_FULL: u32 = 1 << 11;
    /// Several pid namespaces have no id to give.
    pub const PID_SEVERAL: u32 = 1 << 12;
    /// A pid namespace has no init.
    pub const PID_DEAD: u32 = 1 << 13;
    /// A cgroup has no room for a task; several have none.
    pub const PIDS_FULL: u32 = 1 << 14;
    /// Several cgroups have no room for a task.
    pub const PIDS_SEVERAL: u32 = 1 << 15;
    /// Tracepoint style: the pids controller's count of refusals rose; the memory cgroups' OOM events
    /// did.
    pub const PIDS_DELTA: u32 = 1 << 16;
    /// Tracepoint style: the memory cgroups' OOM events rose.
    pub const MEMCG_DELTA: u32 = 1 << 17;
    /// There are more levels of cgroups above than were looked at.
    pub const PIDS_CUT: u32 = 1 << 18;
    /// Another thread of the process was in execve, and CLONE_FS asked for.
    pub const IN_EXEC: u32 = 1 << 19;
    /// kernel.threads-max was read.
    pub const HAVE_THREADS: u32 = 1 << 20;
    /// The new user namespace's chain was walked (CLONE_NEWUSER).
    pub const NEW_USER_NS: u32 = 1 << 21;
    /// The capability that would exempt from RLIMIT_NPROC was denied (the second one was asked for).
    pub const CAP_DENIED: u32 = 1 << 22;
    /// Tracepoint style: RLIMIT_NPROC or kernel.threads-max was another at the entry.
    pub const LIMITS_CHANGED: u32 = 1 << 23;
    /// Tracepoint style: a limit of the pids controller was another at the entry, or the caller was in
    /// another cgroup.
    pub const PIDS_LIMITS_CHANGED: u32 = 1 << 24;
    /// RLIMIT_NPROC doesn't apply to the caller for CAP_SYS_ADMIN alone, which is the second capability that is
    /// asked for.
    pub const NPROC_EXEMPT_BY_ADMIN: u32 = 1 << 25;

    /// Those that are seen on the way of a refusal and of nothing else.
    pub const REFUSED: u32 = CHILD_SEEN | SECURITY_PASSED | PIDS_SEEN;
}

/// The facts. Levels count from the caller's own up.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Bits of [`fact`].
    pub bits: u32,
    /// Where `NPROC_FULL`: the first level that has no room.
    pub nproc_level: u8,
    /// Where `PID_FULL`: the first one that has no id.
    pub pid_level: u8,
    /// Padding, zero.
    pub reserved: [u8; 2],
    /// Where `NPROC_FULL`: tasks without the one that was refused, what they were compared with, whose
    /// they are, and the inode number of the namespace that set the limit (0: the caller's own).
    pub nproc_usage: i64,
    /// What `nproc_usage` was compared with.
    pub nproc_limit: i64,
    /// Whose tasks they are.
    pub nproc_uid: u32,
    /// The namespace that set the limit; 0: the caller's own.
    pub nproc_limit_ns: u32,
    /// Where `HAVE_THREADS`.
    pub nr_threads: i32,
    /// kernel.threads-max.
    pub max_threads: i32,
    /// Where `OVERCOMMIT_REFUSED`: pages that were asked for, and those that were promised.
    pub overcommit_pages: i64,
    /// Pages that were promised.
    pub overcommit_committed: i64,
    /// The cgroup that was seen to refuse (`PIDS_SEEN`), or the first that is full (`PIDS_FULL`).
    pub pids: CgroupLimit,
}

impl Facts {
    /// Nothing is known.
    pub const NONE: Self = Self {
        bits: 0,
        nproc_level: 0,
        pid_level: 0,
        reserved: [0; 2],
        nproc_usage: 0,
        nproc_limit: 0,
        nproc_uid: 0,
        nproc_limit_ns: 0,
        nr_threads: 0,
        max_threads: 0,
        overcommit_pages: 0,
        overcommit_committed: 0,
        pids: crate::note::NO_CGROUP,
    };
}
