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
    /// Start of the current second, and failing returns in it.
    pub window_ns: u64,
    pub in_window: u64,
}

/// Slots of the per-CPU array of totals.
pub mod total {
    /// Failing returns that passed the filters, whatever became of them.
    pub const FAILURES: u32 = 0;
    /// The ring buffer was full while the map of keys was full as well:
    /// counted here and nowhere else.
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
