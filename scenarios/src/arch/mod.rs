//! What the scenarios have to know of a processor's architecture.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

pub(crate) use forktrace::provoke::arch::page;

/// Numbers of system calls of old.
pub(crate) struct OldCalls {
    pub open: libc::c_long,
    pub unlink: libc::c_long,
}
