//! Flags of clone(2), as `struct kernel_clone_args` and the event carry them
//! (include/uapi/linux/sched.h; the kernel's names less `CLONE_`).

/// The exit signal, in the low byte of clone's first argument.
pub const CSIGNAL: u64 = 0xff;

/// CLONE_NEWTIME.
pub const NEWTIME: u64 = 0x80;
/// CLONE_VM.
pub const VM: u64 = 0x100;
/// CLONE_FS.
pub const FS: u64 = 0x200;
/// CLONE_FILES.
pub const FILES: u64 = 0x400;
/// CLONE_SIGHAND.
pub const SIGHAND: u64 = 0x800;
/// CLONE_PIDFD.
pub const PIDFD: u64 = 0x1000;
/// CLONE_VFORK.
pub const VFORK: u64 = 0x4000;
/// CLONE_PARENT.
pub const PARENT: u64 = 0x8000;
/// CLONE_THREAD.
pub const THREAD: u64 = 0x1_0000;
/// CLONE_NEWNS.
pub const NEWNS: u64 = 0x2_0000;
/// CLONE_SYSVSEM.
pub const SYSVSEM: u64 = 0x4_0000;
/// CLONE_SETTLS.
pub const SETTLS: u64 = 0x8_0000;
/// CLONE_DETACHED.
pub const DETACHED: u64 = 0x40_0000;
/// CLONE_NEWCGROUP.
pub const NEWCGROUP: u64 = 0x200_0000;
/// CLONE_NEWUTS.
pub const NEWUTS: u64 = 0x400_0000;
/// CLONE_NEWIPC.
pub const NEWIPC: u64 = 0x800_0000;
/// CLONE_NEWUSER.
pub const NEWUSER: u64 = 0x1000_0000;
/// CLONE_NEWPID.
pub const NEWPID: u64 = 0x2000_0000;
/// CLONE_NEWNET.
pub const NEWNET: u64 = 0x4000_0000;
/// clone3 only.
pub const INTO_CGROUP: u64 = 0x2_0000_0000;
/// clone3 only, 7.1+, as the following.
pub const AUTOREAP: u64 = 0x4_0000_0000;
/// CLONE_NNP.
pub const NNP: u64 = 0x8_0000_0000;
/// CLONE_PIDFD_AUTOKILL.
pub const PIDFD_AUTOKILL: u64 = 0x10_0000_0000;
/// Comes with `NEWNS`, which `kernel_clone` adds.
pub const EMPTY_MNTNS: u64 = 0x20_0000_0000;
