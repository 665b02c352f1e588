//! Evidence: one failing return as the kernel's numbers show it, in types that
//! say what is known and what isn't. [`crate::probe`] makes it, and
//! [`crate::cause`] judges it without asking anybody else, so a verdict can be
//! tested without a kernel.

mod huge_pages;
mod other_errnos;
mod overcommit;
mod sched_ext;
#[cfg(test)]
mod tests;
pub mod thread_stack;

pub use huge_pages::{HugePages, HugePool};
pub use other_errnos::{NsKind, NsLimit, OpenFiles, OtherErrnos};
pub use overcommit::{Overcommit, OvercommitMode, Refused};
pub use sched_ext::SchedExt;
pub use thread_stack::ThreadStack;

use forktrace_common::clone;

use crate::model::{Errno, Operation};

/// How far the creation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing between entry and return was seen.
    Unseen,
    /// Refused before `perf_event_init_task` had ended.
    Early,
    /// `audit_alloc` to `copy_fs`, and no nearer.
    SecurityToFs,
    /// `audit_alloc` to `copy_files`: `copy_fs` can't have refused the creation with EAGAIN,
    /// because it doesn't share its parent's file-system state.
    SecurityToFiles,
    /// `copy_sighand` to `copy_namespaces`.
    SighandToNamespaces,
    /// `copy_io` to `alloc_pid`.
    IoToPid,
    /// `cgroup_can_fork`.
    Cgroups,
    /// What follows it.
    AfterCgroups,
    /// The system call was answered without being entered, and the caller has a
    /// seccomp filter.
    NotEntered,
    /// The same, or it was entered before entries were seen.
    MaybeNotEntered,
    /// A seccomp filter was seen to answer in the system call's place.
    Filtered,
    /// No creation: execve's own check of RLIMIT_NPROC refused.
    Exec,
    /// execve's own check of RLIMIT_NPROC, concluded from what the system call returned.
    ExecReturned,
    /// execve answered EAGAIN, and what made it was not seen.
    ExecUnseen,
    /// No creation: a thread's stack was refused.
    ThreadStack,
}

/// One cgroup's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupLimit {
    /// Path from the root of its hierarchy; `None`: the name was not to be had.
    pub path: Option<String>,
    /// kernfs id.
    pub id: u64,
    /// The limit's file as this host's mounts show it.
    pub file: Option<String>,
    /// Tasks, or bytes.
    pub usage: u64,
    /// `None`: "max".
    pub limit: Option<u64>,
    /// Memory: its OOM killer is off (v1, memory.oom_control), so that a
    /// charge beyond the limit fails.
    pub oom_kill_disable: bool,
    /// How often this limit has refused a task so far, or called the OOM killer; `None`: not read. One that
    /// never has is not the one.
    pub events: Option<u64>,
}

/// One step of the comparison that RLIMIT_NPROC makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NprocLevel {
    /// Tasks counted, without the one asked for.
    pub usage: u64,
    /// `None`: unlimited.
    pub limit: Option<u64>,
    /// Whose tasks are counted (initial namespace's number).
    pub uid: u32,
    /// Namespace in which they are counted; `None` up to 5.13.
    pub userns: Option<u32>,
    /// The namespace whose creator's limit this is; `None`: the caller's own.
    pub limit_userns: Option<u32>,
}

impl NprocLevel {
    /// More than the limit allows: what execve asks, where the caller is one of
    /// those counted and nothing is to be added.
    pub fn over(&self) -> bool {
        self.limit.is_some_and(|limit| self.usage > limit)
    }
}

/// One pid namespace in which the child needs an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PidNs {
    /// Inode number of the namespace.
    pub inum: u32,
    /// Nesting depth; 0 is the host's.
    pub level: u32,
    /// Its init has gone: no more children, ever.
    pub dead: bool,
    /// Ids in use, those below 300 among them.
    pub allocated: u64,
    /// How many of these are below 300; 0 where that isn't known.
    pub first: u64,
    /// The bound that holds here; `None`: not known.
    pub pid_max: Option<u64>,
    /// No id was free, as the kernel looks for one. `allocated` doesn't
    /// say so: ids below 300 are given once, and those above a bound that was
    /// lowered stay.
    pub full: bool,
}

/// Ids below this are not used again once the numbers have wrapped round
/// (`RESERVED_PIDS`, include/linux/pid.h).
pub const RESERVED_PIDS: u64 = 300;

impl PidNs {
    /// Ids that can be in use at once, as long as the first few hundred are
    /// left out: `pid_max` less the reserved ones.
    pub fn usable(&self) -> Option<u64> {
        self.pid_max.map(|max| max.saturating_sub(RESERVED_PIDS))
    }

    /// Whether as many ids compete for the bound as can be in use.
    pub fn is_full_by_count(&self) -> bool {
        let competing = self.allocated.saturating_sub(self.first);
        self.usable().is_some_and(|usable| competing >= usable)
    }

    /// Whether it can have been full a moment ago: so many ids are in use, but for
    /// what may have come back since.
    pub fn can_have_been_full(&self) -> bool {
        let Some(usable) = self.usable() else {
            return true;
        };
        self.full || self.allocated + usable / 16 + 64 >= usable
    }
}

/// What is known of a step that leaves a sign where it is come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sign {
    /// The step was seen.
    Seen,
    /// The step would have been seen, and was not.
    NotSeen,
    /// There is no probe, or it can have been skipped.
    #[default]
    Unwatched,
}

/// The signs on the way out of `copy_process` (kernel/fork.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Signs {
    /// RLIMIT_NPROC was over, of a caller without the capabilities that exempt.
    pub nproc_asked: Sign,
    /// RLIMIT_NPROC was over, of a caller who has a capability that exempts and was denied it.
    pub capability_denied: bool,
    /// The half-made child's credentials were given back: `copy_creds` had made them.
    pub child: Sign,
    /// `sched_fork` was come to.
    pub sched_reached: Sign,
    /// `security_task_alloc` agreed.
    pub security_passed: Sign,
    /// `__vm_enough_memory` refused.
    pub overcommit_refused: Sign,
    /// The pids controller refused.
    pub pids_refused: Sign,
    /// A memory cgroup that finds no victim would have been seen.
    pub memory_watched: bool,
}

/// Tasks on the host (kernel/fork.c `nr_threads`), at the return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threads {
    /// Tasks that exist, without the one asked for.
    pub now: u64,
    /// kernel.threads-max.
    pub max: u64,
}

impl Threads {
    /// Whether there is no room for one more.
    pub fn full(&self) -> bool {
        self.now >= self.max
    }
}

/// What is known of a failing return: what the kernel side saw and read there, and what user space read
/// just after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What the call answered.
    pub errno: Errno,
    /// What was asked for.
    pub operation: Operation,
    /// How far the kernel came before it refused.
    pub stage: Stage,
    /// CLONE_* as the kernel has them, without the exit signal.
    pub clone_flags: u64,
    /// The caller was being killed, which cut the creation short.
    pub dying: bool,
    /// What refuses with other errnos; `None` where these are not reported.
    pub other_errnos: Option<OtherErrnos>,
    /// Real uid.
    pub uid: u32,
    /// CLONE_VM: the address space is shared, not copied.
    pub shares_vm: bool,
    /// CLONE_INTO_CGROUP: `pids` are the target's, not the caller's.
    pub into_cgroup: bool,
    /// RLIMIT_NPROC doesn't apply to the caller.
    pub nproc_exempt: bool,
    /// It doesn't for CAP_SYS_ADMIN alone: nothing is noted where a security module denies that.
    pub nproc_exempt_by_admin: bool,
    /// SCHED_DEADLINE without reset-on-fork.
    pub deadline: bool,
    /// Another thread of the process was in execve, and CLONE_FS asked for.
    pub in_exec: bool,
    /// What was seen on the way out.
    pub signs: Signs,
    /// The caller's own level first.
    pub nproc: Vec<NprocLevel>,
    /// The first level that had no room when it was compared, or at the return.
    pub nproc_full: Option<NprocLevel>,
    /// All tasks against kernel.threads-max; `None`: not read.
    pub threads: Option<Threads>,
    /// RLIMIT_NPROC or kernel.threads-max was changed between entry and return.
    pub limits_changed: bool,
    /// A pids limit above the caller, or the caller's cgroup, was.
    pub pids_limits_changed: bool,
    /// A cgroup above the caller, or the caller's, has no pids limit now, and has refused before or may have.
    pub pids_unlimited_refused: bool,
    /// The child's own namespace first.
    pub pid_ns: Vec<PidNs>,
    /// Nearest cgroup first.
    pub pids: Vec<CgroupLimit>,
    /// The cgroup that was seen to refuse; else the first on the way up that has no
    /// room for a task.
    pub pids_full: Option<CgroupLimit>,
    /// Forks refused in the cgroup between enter and return.
    pub pids_delta: Option<i64>,
    /// Nearest memory cgroup first; bytes.
    pub memory: Vec<CgroupLimit>,
    /// The memory cgroup whose OOM killer found no victim.
    pub memory_refused: Option<CgroupLimit>,
    /// OOM events between enter and return, of the caller's topmost memory cgroup and all below it: others' too.
    pub memory_delta: Option<i64>,
    /// The first cgroup on the way up whose kernel memory is on its last pages
    /// (v1); bytes.
    pub kernel_memory_near: Option<CgroupLimit>,
    /// What the half-made child can have charged to them, and given back before
    /// the numbers were read; bytes.
    pub half_made: u64,
    /// The numbers of overcommit, where memory was to be promised; `None`: not read.
    pub overcommit: Option<Overcommit>,
    /// Where a copy of the address space was refused and the caller has huge
    /// pages of its own, while none are left.
    pub huge_pages: Option<HugePages>,
    /// Where what follows the cgroups refused, and the kernel knows schedulers
    /// written in BPF.
    pub sched_ext: Option<SchedExt>,
    /// Where no creation was tried: the stack that was refused.
    pub thread_stack: Option<ThreadStack>,
}

impl Evidence {
    /// The pid namespace that has no init any more.
    pub fn dead_pid_ns(&self) -> Option<&PidNs> {
        self.pid_ns.iter().find(|ns| ns.dead)
    }

    /// The namespace that had no id left: the first full one from the child's
    /// own up, as `alloc_pid()` goes. Where one id is asked for (set_tid), that it is in use is EEXIST.
    pub fn full_pid_ns(&self) -> Option<&PidNs> {
        let asked = self.other_errnos.as_ref().map_or(0, |o| o.set_tid_size);
        self.pid_ns.iter().skip(asked).find(|ns| ns.full)
    }

    /// Whether it can have been the ids that ran out where an id is given. What else answers EAGAIN there: the
    /// file of a pidfd, which a security module can refuse, and a shadow stack.
    pub fn ids_can_have_run_out(&self) -> bool {
        (self.clone_flags & clone::PIDFD == 0 && !self.may_want_shadow_stack())
            || self.pid_ns.is_empty()
            || self.pid_ns.iter().any(PidNs::can_have_been_full)
    }

    /// A thread may be given a shadow stack, which counts against RLIMIT_MEMLOCK under mlockall(MCL_FUTURE)
    /// (kernel/fork.c `copy_thread`: x86-64 since 6.6, arm64 since 6.13).
    pub fn may_want_shadow_stack(&self) -> bool {
        self.shares_vm && self.clone_flags & clone::VFORK == 0
    }

    /// By the numbers it was RLIMIT_NPROC that refused a caller whose one exempting capability a security module
    /// can have denied unseen.
    pub fn admin_may_have_been_denied(&self) -> bool {
        self.nproc_exempt_by_admin && self.nproc_full.is_some() && !self.threads_full()
    }

    /// The first level of RLIMIT_NPROC that has no room, for a caller that it
    /// applies to.
    pub fn full_nproc(&self) -> Option<&NprocLevel> {
        self.nproc_full.as_ref().filter(|_| !self.nproc_exempt)
    }

    /// kernel.threads-max is reached.
    pub fn threads_full(&self) -> bool {
        self.threads.is_some_and(|threads| threads.full())
    }

    /// The first memory cgroup on the way up that was full, as far as can be
    /// known after the half-made child has given back what it had charged.
    pub fn full_memory(&self) -> Option<&CgroupLimit> {
        self.memory.iter().find(|c| self.is_full_of_memory(c))
    }

    /// Whether a full memory cgroup without an OOM killer (v1) can have refused: nothing is asked there, and page
    /// cache that is taken back fills one as well.
    pub fn memory_may_be_stuck(&self) -> bool {
        self.full_memory().is_some_and(|c| c.oom_kill_disable)
    }

    /// Of those the first that isn't known to have called no OOM killer. Page cache fills a cgroup
    /// for good, and is taken back where there is need.
    pub fn full_memory_with_events(&self) -> Option<&CgroupLimit> {
        let mut full = self.memory.iter().filter(|c| self.is_full_of_memory(c));
        full.find(|c| c.events != Some(0))
    }

    /// Whether it can have had no room, before the half-made child gave back what it had charged.
    pub fn is_full_of_memory(&self, cgroup: &CgroupLimit) -> bool {
        let usage = cgroup.usage.saturating_add(self.half_made);
        cgroup.limit.is_some_and(|limit| usage >= limit)
    }
}
