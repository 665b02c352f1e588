//! What a stage of a creation leaves on the task for the failing return.

use crate::{
    count::Key,
    event::{CgroupLimit, Stage},
    facts::Facts,
};

/// A task's note.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Note {
    /// `start_time` of the task that it is about: another task can get the id.
    pub owner: u64,
    /// Argument saved at the entry of the memory cgroup's OOM killer (kprobe style).
    pub memcg_arg: u64,
    /// When `memcg_oom` was noted: CLOCK_MONOTONIC, nanoseconds.
    pub memcg_ns: u64,
    /// The memory cgroup whose OOM killer found no victim; `id` 0: none.
    pub memcg_oom: CgroupLimit,
    /// kernfs id of the first memory cgroup on the way up that is full by its numbers, where none was
    /// seen to refuse; 0: none is.
    pub memcg_full: u64,
    /// What was seen and what was full.
    pub facts: Facts,
    /// What the failure is counted by, finest first: here and not on the stack, which is short.
    pub key: Key,
    /// [`Key::group`] of `key`.
    pub group: Key,
    /// [`Key::check`] of `key`.
    pub check: Key,
    /// The failing return itself, while it is reported.
    pub failed: Failed,
    /// `flags` of the half-made child (`PF_*`), where `CHILD_SEEN`.
    pub child_flags: u32,
    /// A [`Stage`] as a number.
    pub stage: u8,
    /// The program (a number from 1) that has reported the failing return,
    /// where another one sits on it as well; 0: none has.
    pub reported: u8,
    /// The program (a number from 1) that has seen the half-made child cleared away; 0: none has.
    pub cleanup_seen: u8,
    /// Whether the failure that is reported is to be reported in full.
    pub in_full: u8,
}

impl Note {
    /// Nothing noted.
    pub const EMPTY: Self = Self {
        owner: 0,
        memcg_arg: 0,
        memcg_ns: 0,
        memcg_oom: NO_CGROUP,
        memcg_full: 0,
        facts: Facts::NONE,
        key: Key::NONE,
        group: Key::NONE,
        check: Key::NONE,
        failed: Failed::NONE,
        child_flags: 0,
        stage: Stage::Unseen as u8,
        reported: 0,
        cleanup_seen: 0,
        in_full: 0,
    };
}

/// No cgroup.
pub const NO_CGROUP: CgroupLimit = CgroupLimit {
    id: 0,
    level: 0,
    oom_kill_disable: 0,
    usage: 0,
    limit: 0,
};

/// The failing return as its probe saw it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Failed {
    /// `struct kernel_clone_args *`; 0 in the tracepoint style.
    pub args: u64,
    /// Flags of the creation; in the tracepoint style from its entry.
    pub clone_flags: u64,
    /// css that the child would be charged to, found at this return: what was found earlier can be
    /// gone. 0: the caller's own.
    pub pids_css: u64,
    /// Refusals that the pids controller counted since the entry.
    pub pids_delta: i64,
    /// Tracepoint style: OOM events of the memory cgroups since the entry.
    pub memcg_delta: i64,
    /// What was returned: a negative errno. In a tracing program the verifier
    /// takes it for a pointer, which it lets one compare and store; read back
    /// from a map it is a number.
    pub ret: i64,
    /// Flags known to the probe.
    pub flags: u32,
    /// One of [`crate::event::style`].
    pub style: u8,
    /// A [`Stage`] as a number, where the probe on the return knows it by
    /// itself; `Unseen`: the note says.
    pub stage: u8,
    /// Which of two programs on this return reports it, from 1; 0: it is alone.
    pub program: u8,
    /// Padding, zero.
    pub reserved: u8,
}

impl Failed {
    /// No return.
    pub const NONE: Self = Self {
        args: 0,
        clone_flags: 0,
        pids_css: 0,
        pids_delta: 0,
        memcg_delta: 0,
        ret: 0,
        flags: 0,
        style: 0,
        stage: Stage::Unseen as u8,
        program: 0,
        reserved: 0,
    };
}
