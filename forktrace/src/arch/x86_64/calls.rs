//! System calls that a tracer never makes, of those that not every machine has: the old ones.

/// Whatever the arguments.
#[rustfmt::skip]
pub const NEVER: &[libc::c_long] = &[
    libc::SYS_fork, libc::SYS_vfork, libc::SYS_creat, libc::SYS_mkdir, libc::SYS_rmdir,
    libc::SYS_link, libc::SYS_symlink, libc::SYS_mknod, libc::SYS_chmod, libc::SYS_chown,
    libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes, libc::SYS_futimesat,
    libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_modify_ldt, libc::SYS_uselib,
];

/// Of files that it has begun.
pub const OF_FILES: &[libc::c_long] = &[libc::SYS_unlink, libc::SYS_rename];

/// Calls that open a file, and which argument has the flags.
pub const OPENING: &[(libc::c_long, u8)] = &[(libc::SYS_open, 1)];
