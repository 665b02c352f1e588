//! The detail of one failing return, as the kernel side sends it.

/// How many of a cgroup's ancestors are recorded: of those that have a limit, the nearest.
pub const CGROUP_LEVELS: usize = 32;
/// Pid namespaces that one can be in: the initial one and `MAX_PID_NS_LEVEL` more
/// (include/linux/pid_namespace.h; kernel/pid_namespace.c `create_pid_namespace`).
pub const PID_NS_LEVELS: usize = 33;
/// User namespaces likewise (kernel/user_namespace.c `create_user_ns`).
pub const USER_NS_LEVELS: usize = 34;
/// Bytes for names of cgroups, all paths together.
pub const NAMES_BYTES: usize = 4096;
/// A cgroup's name is at most NAME_MAX bytes and a NUL.
pub const NAME_BYTES: usize = 256;
/// Paths in one event: v2, pids hierarchy, memory hierarchy.
pub const PATHS: usize = 3;

/// How far `copy_process()` (kernel/fork.c) came, seen by what the failing
/// attempt left behind. One value may cover neighbouring checks that answer
/// different errnos.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Not seen: tracepoint style, or the probe that shows it is missing.
    Unseen = 0,
    /// Before `perf_event_init_task` had ended: `dup_task_struct`, `copy_creds`, RLIMIT_NPROC,
    /// threads-max, `mpol_dup`, `sched_fork`.
    Early = 2,
    /// `audit_alloc`, `security_task_alloc`, `copy_semundo`, `copy_files`,
    /// `copy_fs`.
    SecurityToFs = 3,
    /// `copy_sighand`, `copy_signal`, `copy_mm`, `copy_namespaces`.
    SighandToNamespaces = 4,
    /// `copy_io`, `copy_thread`, `alloc_pid`, pidfd.
    IoToPid = 5,
    /// `cgroup_can_fork`. EAGAIN is the pids controller's.
    Cgroups = 6,
    /// After `cgroup_can_fork` had succeeded: `sched_cgroup_fork`, the futex
    /// hash, and the checks under tasklist_lock.
    AfterCgroups = 9,
    /// The system call returned an error but was never entered: a seccomp
    /// filter or a tracer answered in its place (tracepoint style).
    NotEntered = 8,
    /// No creation: execve answered EAGAIN, and the mark that setuid had left
    /// (PF_NPROC_EXCEEDED) was still there: the first thing that
    /// `do_execveat_common` (fs/exec.c) does is to refuse or to clear it.
    Exec = 10,
    /// execve answered EAGAIN; whether that was its check of the mark is not
    /// known.
    ExecUnseen = 11,
    /// A seccomp filter was seen to answer in the place of a creating call.
    Filtered = 12,
    /// No creation: mmap of a thread's stack (mm/util.c `vm_mmap_pgoff`).
    StackMmap = 32,
    /// No creation: mprotect of a thread's stack that had just been mapped
    /// (mm/mprotect.c `do_mprotect_pkey`).
    StackMprotect = 33,
    /// No failure: the OOM killer has marked a victim (mm/oom_kill.c `mark_oom_victim`).
    OomKill = 40,
}

impl Stage {
    /// The stage with this number; `Unseen` for a number that means nothing.
    pub const fn from_u8(n: u8) -> Self {
        match n {
            2 => Self::Early,
            3 => Self::SecurityToFs,
            4 => Self::SighandToNamespaces,
            5 => Self::IoToPid,
            6 => Self::Cgroups,
            8 => Self::NotEntered,
            9 => Self::AfterCgroups,
            10 => Self::Exec,
            11 => Self::ExecUnseen,
            12 => Self::Filtered,
            32 => Self::StackMmap,
            33 => Self::StackMprotect,
            40 => Self::OomKill,
            _ => Self::Unseen,
        }
    }
}

/// `FailureEvent::style`: which probe saw the return.
pub mod style {
    /// A trampoline at the exit of a function.
    pub const FEXIT: u8 = 1;
    /// A kprobe or kretprobe.
    pub const KPROBE: u8 = 2;
    /// Tracepoints of system calls.
    pub const TRACEPOINT: u8 = 3;
}

/// Bits of `FailureEvent::flags`.
pub mod flag {
    /// CAP_SYS_ADMIN in the initial user namespace: no admin reserve.
    pub const CAP_SYS_ADMIN: u32 = 1 << 1;
    /// io_uring worker or other `args->io_thread`.
    pub const IO_THREAD: u32 = 1 << 4;
    /// A kernel thread asked.
    pub const CALLER_KTHREAD: u32 = 1 << 5;
    /// A kernel function is the child's entry (kthread, user-mode helper).
    pub const KERNEL_FN: u32 = 1 << 6;
    /// `pid_max` (global) was read.
    pub const HAVE_PID_MAX: u32 = 1 << 8;
    /// `overcommit` was read from kernel variables.
    pub const HAVE_OVERCOMMIT: u32 = 1 << 9;
    /// `pids_forkfail` deltas are valid (tracepoint style).
    pub const HAVE_PIDS_DELTA: u32 = 1 << 10;
    /// The child goes into a cgroup of its own choice (CLONE_INTO_CGROUP), and
    /// `pids` and the pids path are that cgroup's.
    pub const INTO_CGROUP: u32 = 1 << 14;
    /// `memcg_delta` is valid.
    pub const HAVE_MEMCG_DELTA: u32 = 1 << 12;
    /// The system call is a 32-bit one.
    pub const COMPAT: u32 = 1 << 15;
    /// `syscall` is valid.
    pub const HAVE_SYSCALL: u32 = 1 << 18;
    /// The caller was being killed, and its creation was cut short by that.
    pub const DYING: u32 = 1 << 19;
    /// `other_errnos` is filled.
    pub const HAVE_OTHER_ERRNOS: u32 = 1 << 20;
    /// CAP_SYS_ADMIN in the caller's own user namespace.
    pub const OWN_SYS_ADMIN: u32 = 1 << 21;
    /// The caller is the init of a pid namespace (SIGNAL_UNKILLABLE).
    pub const UNKILLABLE: u32 = 1 << 22;
    /// The pid namespace for children is not the caller's own.
    pub const OTHER_PID_NS: u32 = 1 << 23;
    /// The time namespace for children is not the caller's own.
    pub const OTHER_TIME_NS: u32 = 1 << 24;
    /// The caller's root folder is not the root of its file system: it is in a chroot.
    pub const CHROOTED: u32 = 1 << 25;
    /// Tracepoint style: a limit that no cgroup has was another at the entry.
    pub const LIMITS_CHANGED: u32 = 1 << 26;
    /// Tracepoint style: a pids limit above the caller was another at the entry.
    pub const PIDS_LIMITS_CHANGED: u32 = 1 << 27;
    /// Tracepoint style: the return had no entry, and may be of a call that was under way when the entries began
    /// to be seen.
    pub const MAYBE_UNDER_WAY: u32 = 1 << 28;
}

/// What a half-made child has charged beside page tables, in bytes: a kernel stack, the
/// task, files, signals, an mm and its mappings, and what a charge takes in
/// advance for its CPU (mm/memcontrol.c MEMCG_CHARGE_BATCH, 64 pages at most).
#[inline]
pub const fn small_parts(page_shift: u32) -> u64 {
    (256 << 10) + (64 << page_shift)
}

/// A refused allocation of kernel memory asks for up to so many pages (a slab,
/// or a kernel stack).
pub const KMEM_NEAR: i64 = 16;

/// One cgroup's limit on the way up.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupLimit {
    /// kernfs id (the inode number of the cgroup's folder).
    pub id: u64,
    /// Depth below the hierarchy's root (`cgroup.level`).
    pub level: u32,
    /// Memory: 1 where its OOM killer is off (v1, memory.oom_control).
    pub oom_kill_disable: u32,
    /// Tasks, or pages.
    pub usage: i64,
    /// As the kernel stores it; for pids PIDS_MAX means none.
    pub limit: i64,
}

/// One level of the chain that RLIMIT_NPROC is compared along.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserNsLimit {
    /// Tasks counted, without the one that was refused.
    pub usage: i64,
    /// What `usage` was compared with here: the caller's own soft limit, then
    /// each namespace's `rlimit_max`.
    pub limit: i64,
    /// Inode number of the user namespace that `usage` is counted in.
    pub inum: u32,
    /// Whose tasks: the real uid (initial namespace's numbers), further up the
    /// uid that created the namespace below.
    pub uid: u32,
    /// Inode number of the namespace whose creation set `limit`; 0 at the
    /// first level, where it is the caller's own rlimit.
    pub limit_ns: u32,
    /// Padding, zero.
    pub reserved: u32,
}

/// One pid namespace on the way up.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PidNsLimit {
    /// Inode number of the namespace.
    pub inum: u32,
    /// `pid_allocated` as stored: bit 31 is PIDNS_ADDING. Ids below 300 count.
    pub allocated: u32,
    /// This namespace's own (6.14+), else 0.
    pub pid_max: u32,
    /// Nesting depth; 0 is the initial one.
    pub level: u32,
}

/// Memory overcommit, in pages unless said (mm/util.c `__vm_enough_memory`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overcommit {
    /// `vm_committed_as`: pages that are promised.
    pub committed: i64,
    /// Pages of RAM.
    pub totalram: u64,
    /// Pages of swap.
    pub swap: i64,
    /// vm.overcommit_kbytes, admin and user reserve: kilobytes.
    pub kbytes: u64,
    /// vm.admin_reserve_kbytes.
    pub admin_reserve_kbytes: u64,
    /// vm.user_reserve_kbytes.
    pub user_reserve_kbytes: u64,
    /// vm.overcommit_memory.
    pub mode: i32,
    /// vm.overcommit_ratio, percent.
    pub ratio: i32,
    /// The caller's address space: all, private writable, stack.
    pub total_vm: u64,
    /// Pages of private writable mappings.
    pub data_vm: u64,
    /// Pages of stacks.
    pub stack_vm: u64,
}

/// Kinds of namespaces that `user.max_*_namespaces` limit: `enum ucount_type`
/// (include/linux/user_namespace.h), the same from 5.10 to 7.3.
pub mod ns_kind {
    /// User namespaces.
    pub const USER: u32 = 0;
    /// Pid namespaces.
    pub const PID: u32 = 1;
    /// UTS namespaces.
    pub const UTS: u32 = 2;
    /// IPC namespaces.
    pub const IPC: u32 = 3;
    /// Network namespaces.
    pub const NET: u32 = 4;
    /// Mount namespaces.
    pub const MNT: u32 = 5;
    /// Cgroup namespaces.
    pub const CGROUP: u32 = 6;
    /// Time namespaces.
    pub const TIME: u32 = 7;
}

/// A user's namespaces of one kind, and the bound of the user namespace in
/// which they are counted (kernel/ucount.c `inc_ucount`).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NsLimit {
    /// Namespaces that are counted.
    pub usage: i64,
    /// What `usage` is compared with.
    pub limit: i64,
    /// Inode number of the user namespace.
    pub inum: u32,
    /// Whose namespaces: the initial namespace's number.
    pub uid: u32,
    /// One of [`ns_kind`], plus 1; 0: no limit was found full.
    pub kind: u32,
    /// Nesting depth of the user namespace; 0 is the initial one.
    pub level: i32,
}

/// Entries of `OtherErrnos::set_tid`.
pub const SET_TID: usize = 4;

/// What refuses with other errnos than EAGAIN and ENOMEM.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtherErrnos {
    /// `user.max_user_namespaces`, where it is full.
    pub user_full: NsLimit,
    /// Of the other kinds that were asked for, the first in the kernel's order
    /// (kernel/nsproxy.c `create_new_namespaces`) whose limit is full.
    pub other_full: NsLimit,
    /// RLIMIT_NOFILE, soft.
    pub nofile: u64,
    /// kernfs id of the cgroup that CLONE_INTO_CGROUP names; 0: none is named, or by what is no
    /// folder of a v2 cgroup.
    pub into_cgroup: u64,
    /// How many of these other kinds are full.
    pub others_full: u32,
    /// Nesting depth of the caller's user namespace.
    pub user_ns_level: i32,
    /// Slots of the caller's table of open files.
    pub fd_slots: u32,
    /// `set_tid_size` of clone3, and the first ids asked for, those of the
    /// child's own namespace first.
    pub set_tid_size: u32,
    /// The first ids that clone3 asked for.
    pub set_tid: [i32; SET_TID],
    /// Of use to the program only: the kind of namespace that it is at.
    pub kind: u32,
    /// Padding, zero.
    pub reserved: u32,
}

/// A cgroup path as the kernel's names for it, leaf first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CgroupPath {
    /// kernfs id of the leaf; 0: this path is not here.
    pub id: u64,
    /// `hierarchy_id`: 0 is v2, others as in /proc/cgroups.
    pub hierarchy: u32,
    /// Where the names start in `names`, and how many bytes they fill: names
    /// each ended by a NUL, leaf first, the root's empty name left out.
    pub start: u32,
    /// Bytes of `names` that the path fills.
    pub len: u32,
    /// 1: there was more than fits.
    pub truncated: u32,
}

/// The failing return with everything that its limits held at that instant.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FailureEvent {
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time_ns: u64,
    /// What the failure is counted by.
    pub key: crate::count::Key,
    /// Flags of the creation, see [`crate::clone`].
    pub clone_flags: u64,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Thread, as the initial pid namespace numbers it.
    pub tid: u32,
    /// Thread group.
    pub tgid: u32,
    /// Thread group of the parent.
    pub ppid: u32,
    /// Real and effective uid, numbers of the initial user namespace.
    pub uid: u32,
    /// Effective uid.
    pub euid: u32,
    /// System call number, where `HAVE_SYSCALL`.
    pub syscall: i32,
    /// Negative errno as returned.
    pub ret: i32,
    /// One of [`style`].
    pub style: u8,
    /// A [`Stage`] as a number.
    pub stage: u8,
    /// How many entries of the lists below are filled.
    pub user_ns_len: u8,
    /// Entries of `pid_ns`.
    pub pid_ns_len: u8,
    /// Entries of `pids`.
    pub pids_len: u8,
    /// Entries of `memory`.
    pub memory_len: u8,
    /// Padding, zero.
    pub reserved0: [u8; 2],
    /// Scheduling policy (include/uapi/linux/sched.h).
    pub policy: i32,
    /// `seccomp.mode` of the caller.
    pub seccomp_mode: i32,
    /// The thread's name, NUL-padded.
    pub comm: [u8; 16],
    /// Padding, zero.
    pub reserved1: u32,
    /// kernel.pid_max, where `HAVE_PID_MAX`.
    pub pid_max: i32,
    /// Bytes of `names` in use.
    pub names_len: u32,
    /// Forks refused to tasks of the caller's (or target's) cgroup between
    /// enter and return, where `HAVE_PIDS_DELTA`.
    pub pids_delta: i64,
    /// What the verdict is made of.
    pub facts: crate::facts::Facts,
    /// The memory cgroup whose OOM killer found no victim; where `stage` is OomKill, the one whose
    /// limit was hit. `id` 0: none.
    pub memcg_oom: CgroupLimit,
    /// v1: the first memory cgroup on the way up whose kernel memory is within
    /// [`KMEM_NEAR`] pages of its limit; `id` 0: none.
    pub kmem_near: CgroupLimit,
    /// OOM events of the caller's memory cgroups between enter and return,
    /// where `HAVE_MEMCG_DELTA`.
    pub memcg_delta: i64,
    /// Page tables of the caller's address space, in bytes: what a child that
    /// was half made can have charged, and given back by now.
    pub pgtables_bytes: u64,
    /// Where `HAVE_OVERCOMMIT`, and the address space of any caller that has one.
    pub overcommit: Overcommit,
    /// Where `stage` is StackMmap or StackMprotect.
    pub space: crate::stack::Space,
    /// Where `HAVE_OTHER_ERRNOS`.
    pub other_errnos: OtherErrnos,
    /// Where `stage` is OomKill.
    pub oom: crate::oom::Kill,
    /// RLIMIT_NPROC along the user namespaces, the nearest first.
    pub user_ns: [UserNsLimit; USER_NS_LEVELS],
    /// Pid namespaces on the way up, the nearest first.
    pub pid_ns: [PidNsLimit; PID_NS_LEVELS],
    /// pids.max on the way up.
    pub pids: [CgroupLimit; CGROUP_LEVELS],
    /// memory.max on the way up.
    pub memory: [CgroupLimit; CGROUP_LEVELS],
    /// Paths of cgroups.
    pub paths: [CgroupPath; PATHS],
    /// Names that the paths are made of.
    pub names: [u8; NAMES_BYTES],
}
