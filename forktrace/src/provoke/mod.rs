//! The prober: processes that get refused, what they ask for, the cgroups that they live in, and
//! settings of the host that get their values back.
//!
//! The selftest provokes with it on a live host, the scenarios on test machines. It knows the kernel's
//! interfaces and nothing of tracing: what is done here is compared with what was recorded by who
//! uses it. System calls go through rustix, but where the call itself is what is tested, and where
//! rustix has no function.
//!
//! Everything here is for processes with one thread: they fork, and the children go on in Rust.

pub mod actor;
pub mod arch;
pub mod cgroup;
pub mod create;
pub mod held_exec;
pub mod huge_pages;
pub mod interrupt;
mod remove;
pub mod seccomp;
pub mod setting;
pub mod sleeper;
pub mod sys;
mod trouble;
pub mod undo;

pub use trouble::Trouble;
