//! Flags of clone(2), as `struct kernel_clone_args` and the event carry them
//! (include/uapi/linux/sched.h; the kernel's names less `CLONE_`).

/// The exit signal, in the low byte of clone's first argument.
pub const CSIGNAL: u64 = 0xff;

pub const NEWTIME: u64 = 0x80;
pub const VM: u64 = 0x100;
pub const FS: u64 = 0x200;
pub const FILES: u64 = 0x400;
pub const SIGHAND: u64 = 0x800;
pub const PIDFD: u64 = 0x1000;
pub const VFORK: u64 = 0x4000;
pub const PARENT: u64 = 0x8000;
pub const THREAD: u64 = 0x1_0000;
pub const NEWNS: u64 = 0x2_0000;
pub const SYSVSEM: u64 = 0x4_0000;
pub const SETTLS: u64 = 0x8_0000;
pub const DETACHED: u64 = 0x40_0000;
pub const NEWCGROUP: u64 = 0x200_0000;
pub const NEWUTS: u64 = 0x400_0000;
pub const NEWIPC: u64 = 0x800_0000;
pub const NEWUSER: u64 = 0x1000_0000;
pub const NEWPID: u64 = 0x2000_0000;
pub const NEWNET: u64 = 0x4000_0000;
/// clone3 only.
pub const INTO_CGROUP: u64 = 0x2_0000_0000;
/// clone3 only, 7.1+, as the following.
pub const AUTOREAP: u64 = 0x4_0000_0000;
pub const NNP: u64 = 0x8_0000_0000;
pub const PIDFD_AUTOKILL: u64 = 0x10_0000_0000;
/// Comes with `NEWNS`, which `kernel_clone` adds.
pub const EMPTY_MNTNS: u64 = 0x20_0000_0000;
