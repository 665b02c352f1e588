//! Inode numbers of the initial namespaces (include/linux/proc_ns.h), the same in all versions.

/// PROC_USER_INIT_INO.
pub const USER: u32 = 0xefff_fffd;
/// PROC_PID_INIT_INO.
pub const PID: u32 = 0xefff_fffc;
/// PROC_CGROUP_INIT_INO.
pub const CGROUP: u32 = 0xefff_fffb;
