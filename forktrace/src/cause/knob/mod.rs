//! The knob of a limit: who has set it, where it is turned, what turning it binds.
//!
//! Found from the owner that refused, level by level ([`crate::host::setter`]), and never from what
//! lies above or below it: those have limits of their own. What can't be known is left out.

pub mod cgroup;
pub mod nproc;
pub mod prlimit;
pub mod target;

#[cfg(test)]
mod rules_tests;
