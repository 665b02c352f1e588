//! Tasks as the BPF task iterator lists them, to count who fills a limit.

/// Whose tasks are listed; user space writes it before each reading.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// kernfs id of a cgroup: its tasks, and of all below it.
    pub cgroup: u64,
    /// One of [`of`].
    pub of: u32,
    /// A user, as the initial user namespace numbers it.
    pub uid: u32,
    /// Inode number of a namespace.
    pub inum: u32,
    /// Padding, zero.
    pub reserved: u32,
}

/// [`Query::of`]. Tasks of cgroups are listed thread by thread; of the others each process once.
pub mod of {
    /// All processes.
    pub const HOST: u32 = 0;
    /// Those whose real uid is `uid`: how RLIMIT_NPROC is counted up to 5.13.
    pub const UID: u32 = 1;
    /// Those that RLIMIT_NPROC counts for `uid` in the user namespace `inum` (5.14+).
    pub const USER: u32 = 2;
    /// Those with an id in the pid namespace `inum`.
    pub const PID_NAMESPACE: u32 = 3;
    /// Tasks in `cgroup` of the v2 hierarchy.
    pub const CGROUP: u32 = 4;
    /// Tasks in `cgroup` of the hierarchy that the pids controller is in (v1).
    pub const PIDS_CGROUP: u32 = 5;
}

/// A task. What is said of a process is its first thread's, which is there as long as others are.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// kernfs id of its cgroup, in the pids controller's hierarchy for [`of::PIDS_CGROUP`], else of v2.
    pub cgroup: u64,
    /// Tasks with the same number are in the same cgroup of every hierarchy.
    pub cgroups: u64,
    /// Thread and process, in the initial pid namespace.
    pub tid: u32,
    /// Process, in the initial pid namespace.
    pub tgid: u32,
    /// The parent's process.
    pub ppid: u32,
    /// Real uid, as the initial user namespace numbers it.
    pub uid: u32,
    /// Threads of the process that have not been taken away.
    pub threads: u32,
    /// [`flag`]s.
    pub flags: u32,
    /// Name of the process, up to the first NUL.
    pub comm: [u8; 16],
}

/// [`Task::flags`].
pub mod flag {
    /// The first thread has ended.
    pub const ENDED: u32 = 1;
    /// One of the kernel's own.
    pub const KERNEL: u32 = 1 << 1;
    /// This thread is ending or has ended.
    pub const EXITING: u32 = 1 << 2;
}

impl Task {
    /// Size in bytes of one in what is read.
    pub const BYTES: usize = size_of::<Self>();
}
