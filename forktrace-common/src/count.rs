//! Counting in the kernel: exact totals, and counts by key.

/// What makes two failures "the same": repeats of a key are counted, not told.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Caller's thread group, as the initial pid namespace numbers it.
    pub tgid: u32,
    /// Positive errno.
    pub errno: u16,
    /// [`crate::event::Stage`] as a number.
    pub stage: u8,
    /// Tracepoint style: 1 where the pids controller's count of refusals rose.
    pub pids_refused: u8,
    /// kernfs id of the caller's cgroup (v2, else of its pids hierarchy).
    pub cgroup: u64,
    /// Which limit: kernfs id of the refusing cgroup, inode number of the
    /// refusing namespace, or 0.
    pub limit: u64,
}

/// What processes that a storm leaves no time to tell apart have in common: a coarser [`Key`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Caller's real uid, as the initial user namespace numbers it.
    pub uid: u32,
    /// The other fields are the key's.
    pub errno: u16,
    pub stage: u8,
    pub pids_refused: u8,
    pub cgroup: u64,
    pub limit: u64,
}

/// Which check refused, wherever: the coarsest key, for when there are more groups than can be
/// counted. `errno | stage << 16 | pids_refused << 24`.
pub type Check = u32;

impl Key {
    /// The group of this key, asked by a process of the user.
    #[inline(always)]
    pub fn group(&self, uid: u32) -> Group {
        Group {
            uid,
            errno: self.errno,
            stage: self.stage,
            pids_refused: self.pids_refused,
            cgroup: self.cgroup,
            limit: self.limit,
        }
    }

    /// The check that refused.
    #[inline(always)]
    pub fn check(&self) -> Check {
        check(self.errno, self.stage, self.pids_refused)
    }
}

impl Group {
    /// The check that refused.
    #[inline(always)]
    pub fn check(&self) -> Check {
        check(self.errno, self.stage, self.pids_refused)
    }
}

#[inline(always)]
fn check(errno: u16, stage: u8, pids_refused: u8) -> Check {
    errno as u32 | (stage as u32) << 16 | (pids_refused as u32) << 24
}

/// How many keys there is room for.
pub mod room {
    /// [`super::Key`]s.
    pub const PROCESSES: u32 = 2048;
    /// [`super::Group`]s.
    pub const GROUPS: u32 = 1024;
    /// [`super::Check`]s.
    pub const CHECKS: u32 = 512;
}

/// How many failures of one second travel in full: what user space can tell in two hundredths of a
/// processor's time.
///
/// The first failure of a process is told before the second of another, and one of another cgroup,
/// user or limit before a further one of the same, so that a rare failure isn't drowned by a common one.
pub mod detail {
    /// Of one [`super::Group`], from processes that have been told in this second already, and with
    /// those that have not.
    pub const GROUP_AGAIN: u64 = 32;
    pub const GROUP: u64 = 64;
    /// Of one [`super::Check`]: of processes told already; with those that have not been; with the
    /// first of each group.
    pub const CHECK_AGAIN: u64 = 48;
    pub const CHECK: u64 = 80;
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
    /// Start of the current second, and what is told in full of it.
    pub window_ns: u64,
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
    /// Of these, those that could not be told.
    pub const OOM_LOST: u32 = 6;
    /// Number of slots.
    pub const SLOTS: u32 = 8;
}
