//! Counting in the kernel: exact totals, and counts by key.
//!
//! Failures of the same key (process, user, cgroup, system call, errno, stage, facts, whose
//! limits) travel in full up to 16 times a second; the rest are counted in the kernel by atomic
//! adds and arrive as `repeat`, with the times of the first and the last of that reading (each
//! count keeps two, by whether the reading's number is even). There are two coarser keys above
//! (`forktrace-common/src/count.rs`): all but the process; and the check alone. Each has a
//! number of failures that it may report in full in a second. The rarer a failure is among those
//! of its key, the more of that number and of the ring buffer's room it may use: a rare cause is
//! reported in the middle of a storm, and the storm's detail gives way where user space falls
//! behind. A process gets a key when it is reported; the rest is counted by the finest key there is,
//! so that a hundred thousand processes need no more room than a few. Such repeats say what
//! they have in common with the failure that they repeat (`alike`). What only the check is
//! known of has a cause where that check has had a single one, and is a `loss` otherwise. User
//! space reads the maps each second, hundreds of keys in a call (`probe/batch.rs`). Totals are
//! counted apart, for every failing return, and the summary reconciles the two: nothing is lost
//! silently. Failing returns count while the map `COUNTING` says so: from when all probes are
//! attached, so that none is judged by half of them, to when the last counts are read, which
//! don't change meanwhile.

/// What makes two failures "the same": repeats of a key are counted, not reported in full.
///
/// It holds everything that a verdict is made of (what the checks said, which limits were full, whose
/// they are), so that two failures of one key have one cause and one owner. A coarser key has zeroes
/// in the fields that it leaves out.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Key {
    /// Caller's thread group, as the initial pid namespace numbers it.
    pub tgid: u32,
    /// Caller's real uid, as the initial user namespace numbers it.
    pub uid: u32,
    /// kernfs id of the caller's cgroup (v2, else of its pids hierarchy).
    pub cgroup: u64,
    /// Whose limits, and what for, in one number: the ids of the refusing or full cgroups, the user whose
    /// RLIMIT_NPROC is full, the caller's user and pid namespaces and effective uid (with the facts,
    /// they say which level of them), and the flags of clone.
    pub limit: u64,
    /// What was seen and what was full: [`crate::facts::fact`].
    pub facts: u32,
    /// Positive errno.
    pub errno: u16,
    /// [`crate::event::Stage`] as a number.
    pub stage: u8,
    /// What was asked for: [`operation`].
    pub operation: u8,
    /// The system call's number, and the top bit set where it is a 32-bit one; 0 where the kernel
    /// itself asked.
    pub syscall: u16,
    /// Padding, zero.
    pub reserved: [u16; 3],
}

/// Bits of [`Key::operation`].
pub mod operation {
    /// CLONE_THREAD.
    pub const THREAD: u8 = 1;
    /// CLONE_VFORK.
    pub const VFORK: u8 = 1 << 1;
    /// CLONE_VM: no address space is copied.
    pub const VM: u8 = 1 << 2;
    /// CLONE_FS: only then can an execve of another thread refuse.
    pub const FS: u8 = 1 << 3;
    /// CLONE_NEWUSER.
    pub const NEWUSER: u8 = 1 << 4;
    /// CLONE_INTO_CGROUP.
    pub const INTO_CGROUP: u8 = 1 << 5;
    /// A kernel thread, or one that the kernel makes.
    pub const KERNEL: u8 = 1 << 6;
    /// A worker of io_uring, or another `io_thread`.
    pub const IO_WORKER: u8 = 1 << 7;
}

impl Key {
    /// Nothing.
    pub const NONE: Self = Self {
        tgid: 0,
        uid: 0,
        cgroup: 0,
        limit: 0,
        facts: 0,
        errno: 0,
        stage: 0,
        operation: 0,
        syscall: 0,
        reserved: [0; 3],
    };

    /// The key without the process: what is left where a storm gives no time to report each process.
    #[inline(always)]
    pub fn group(&self) -> Self {
        Self { tgid: 0, ..*self }
    }

    /// Which check refused, wherever: the coarsest key, for when there are more groups than can be
    /// counted.
    #[inline(always)]
    pub fn check(&self) -> Self {
        Self {
            tgid: 0,
            uid: 0,
            cgroup: 0,
            limit: 0,
            ..*self
        }
    }
}

/// How many keys there is room for.
pub mod room {
    /// [`super::Key`]s.
    pub const PROCESSES: u32 = 2048;
    /// [`super::Key::group`]s.
    pub const GROUPS: u32 = 1024;
    /// [`super::Key::check`]s.
    pub const CHECKS: u32 = 512;
}

/// How many failures of one second travel in full: what user space can report in two hundredths of a
/// processor's time.
///
/// The first failure of a process is reported before the second of another, and one of another cgroup,
/// user or limit before a further one of the same, so that a rare failure isn't drowned by a common one.
pub mod detail {
    /// Of one [`super::Key::group`], from processes that have been reported in this second already, and with
    /// those that have not.
    pub const GROUP_AGAIN: u64 = 32;
    /// Of one group, with processes that have not been reported in this second.
    pub const GROUP: u64 = 64;
    /// Of one [`super::Key::check`]: of processes reported already; with those that have not been; with the
    /// first of each group.
    pub const CHECK_AGAIN: u64 = 48;
    /// Of one check, with processes that have not been reported in this second.
    pub const CHECK: u64 = 80;
    /// Of one check, with the first of each group.
    pub const CHECK_GROUPS: u64 = 96;
}

/// Counts of one key. Monotonic: readers take differences, nothing resets.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Failing returns that were counted and not sent in full.
    pub suppressed: u64,
    /// Of those to be sent in full, those that the ring buffer had no room for.
    pub lost: u64,
    /// CLOCK_MONOTONIC, nanoseconds, of the latest.
    pub last_ns: u64,
    /// CLOCK_MONOTONIC, nanoseconds, of the first of `suppressed` in a reading's window, by whether
    /// the window's number is even, and the numbers of the two windows.
    pub first_ns: [u64; 2],
    /// Numbers of the windows that `first_ns` are of.
    pub first_window: [u64; 2],
    /// Start of the current second, and how many are reported in full in it.
    pub window_ns: u64,
    /// How many are reported in full in that second.
    pub in_window: u64,
}

/// Slots of the per-CPU array of totals.
pub mod total {
    /// Failing returns that passed the filters, whatever became of them.
    pub const FAILURES: u32 = 0;
    /// There was no room for a note, or for any key to count it by: counted here and nowhere else.
    pub const KEYS_FULL: u32 = 2;
    /// Creations cut short by a fatal signal, by errno ENOMEM: no failures.
    pub const KILLED: u32 = 3;
    /// A failing stage was seen but the return was not (kretprobe missed).
    pub const MISSED: u32 = 4;
    /// Processes that the OOM killer has marked and the filters let pass.
    pub const OOM_KILLS: u32 = 5;
    /// Of these, those that could not be reported.
    pub const OOM_LOST: u32 = 6;
    /// Failing creations that the filters let pass, with errnos that nobody asked for.
    pub const OTHER_ERRNOS: u32 = 7;
    /// Number of slots.
    pub const SLOTS: u32 = 8;
}
