//! A kill by the OOM killer (mm/oom_kill.c): what the one that chose the victim knew.

use crate::event::CgroupLimit;

/// What `oom_kill_process()` was asked to do, kept for the victims that it marks.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// `oom_control.constraint`: one of [`constraint`].
    pub constraint: u32,
    /// 1: the chosen one was exiting, or being killed, already.
    pub dying: u32,
    /// Thread group that was chosen: with `memory.oom.group` others go with it.
    pub tgid: u32,
    /// Padding, zero.
    pub reserved: u32,
    /// The memory cgroup whose limit was hit; `id` 0: none.
    pub limit: CgroupLimit,
}

/// `enum oom_constraint` (include/linux/oom.h), the same from 5.10 to 7.3.
pub mod constraint {
    /// The host has no memory left, or sysrq asked.
    pub const NONE: u32 = 0;
    /// The nodes of a cpuset have no memory left.
    pub const CPUSET: u32 = 1;
    /// The nodes of a memory policy have none left.
    pub const MEMORY_POLICY: u32 = 2;
    /// A memory cgroup is full.
    pub const MEMCG: u32 = 3;
    /// Not seen.
    pub const UNKNOWN: u32 = u32::MAX;
}

/// The kill itself, where `stage` is OomKill; who was killed, and where that lives, is where the
/// caller of a failure is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kill {
    /// Who needed memory: thread group, thread.
    pub by_tgid: u32,
    /// Thread that needed memory.
    pub by_tid: u32,
    /// Its name, NUL-padded.
    pub by_comm: [u8; 16],
    /// `signal->oom_score_adj` of the victim, from -1000 to 1000.
    pub score_adj: i32,
    /// One of [`constraint`].
    pub constraint: u32,
    /// 1: the victim was dying already; 0: it was not; [`constraint::UNKNOWN`]: not known.
    pub dying: u32,
    /// Padding, zero.
    pub reserved: u32,
}
