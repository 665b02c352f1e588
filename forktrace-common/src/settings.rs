//! What user space tells the programs before they are loaded.

/// Which filters are on, and what to read; frozen in `.rodata`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Only failures of this thread group or its descendants; 0 for all.
    pub tgid: u32,
    /// 1: only callers whose real uid is `uid`.
    pub uid_set: u32,
    pub uid: u32,
    /// 1: `comm` holds the name, NUL-padded, that the caller must have.
    pub comm_set: u32,
    pub comm: [u8; 16],
    /// Only callers in the subtree of the cgroup with this kernfs id (any
    /// hierarchy); 0 for all.
    pub cgroup: u64,
    /// Which errnos are reported, see [`errnos`].
    pub errnos: u32,
    /// 1: task pt_regs come from bpf_task_pt_regs (5.15+); 0: computed.
    pub have_task_pt_regs: u32,
    /// Detailed events of one key in one second; the rest are counted.
    pub detail_per_second: u32,
    /// Size of a kernel stack in bytes (x86-64: 16 KiB).
    pub thread_size: u32,
    /// 1: up to 5.13, where RLIMIT_NPROC is checked before `copy_creds`.
    pub nproc_before_creds: u32,
    /// 1: two programs sit on the failing return (fexit style, where the kernel
    /// preempts itself): the first to run reports, the other one is told.
    pub two_programs: u32,
}

/// [`Settings::errnos`].
pub mod errnos {
    /// EAGAIN and ENOMEM.
    pub const LIMITS: u32 = 0;
    /// Every errno, but no creation that a fatal signal cut short.
    pub const OTHERS: u32 = 1;
    /// These as well.
    pub const ALL: u32 = 2;
}
