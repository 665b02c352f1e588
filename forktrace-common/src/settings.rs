//! Settings that user space gives the programs before they are loaded.

/// Which filters are on, and what to read; frozen in `.rodata`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Only failures of this thread group or its descendants; 0 for all.
    pub tgid: u32,
    /// 1: only callers whose real uid is `uid`.
    pub uid_set: u32,
    /// Real uid that callers must have, where `uid_set`.
    pub uid: u32,
    /// 1: `comm` holds the name, NUL-padded, that the caller must have.
    pub comm_set: u32,
    /// Name that callers must have, where `comm_set`.
    pub comm: [u8; 16],
    /// Only callers in the subtree of the cgroup with this kernfs id in
    /// `hierarchy`; 0 for all.
    pub cgroup: u64,
    /// What `__secure_computing` looks like: one of [`seccomp_return`].
    pub seccomp_return: u32,
    /// 1: also report when a thread's stack can't be mapped (`--thread-stacks`).
    pub thread_stacks: u32,
    /// Which errnos are reported, see [`errnos`].
    pub errnos: u32,
    /// 1: task pt_regs come from bpf_task_pt_regs (5.15+); 0: computed.
    pub have_task_pt_regs: u32,
    /// Detailed events of one key in one second; the rest are counted.
    pub detail_per_second: u32,
    /// 1: two programs sit on the failing return (where the kernel preempts
    /// itself, but for kprobes): the first to run reports, the other one finds its mark.
    pub two_programs: u32,
    /// 1: two programs sit on each system-call tracepoint, whose programs few kernels let be
    /// preempted.
    pub two_tracepoints: u32,
    /// Where `cgroup` is: one of [`hierarchy`]. Ids are unique within one hierarchy only.
    pub hierarchy: u32,
}

/// [`Settings::hierarchy`].
pub mod hierarchy {
    /// cgroup v2.
    pub const V2: u32 = 0;
    /// The v1 hierarchy of the pids controller.
    pub const PIDS: u32 = 1;
    /// The v1 hierarchy of the memory controller.
    pub const MEMORY: u32 = 2;
}

/// How the function that asks the seccomp filters (kernel/seccomp.c) says that
/// the system call is to be skipped.
pub mod seccomp_return {
    /// `int __secure_computing(const struct seccomp_data *sd)`: -1.
    pub const INT_OF_DATA: u32 = 0;
    /// `int __secure_computing(void)`: -1.
    pub const INT: u32 = 1;
    /// `bool __seccomp_permit_syscall(void)`: false.
    pub const BOOL: u32 = 2;
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
