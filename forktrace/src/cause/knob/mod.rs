//! The knob of a limit: who has set it, where it is turned, what turning it binds.
//!
//! Found from the owner that refused, level by level ([`crate::host::setter`]), and never from what
//! lies above or below it: those have limits of their own. What can't be known is left out.

pub(super) mod cgroup;
mod later;
mod manager;
mod nixos;
pub(super) mod nproc;
pub(super) mod prlimit;
pub(super) mod sysctl;
pub(super) mod target;

#[cfg(test)]
mod rules_tests;
