//! The architecture of the test kernels and of what runs on them. x86-64 is the only one so far; another
//! is a folder beside it with the same items, chosen here.

mod x86_64;

pub(crate) use x86_64::*;

/// Whether it is this machine's.
pub(crate) const IS_HERE: bool = cfg!(target_arch = "x86_64");

/// Where Debian has shared libraries, on any architecture that xtask builds on.
pub(crate) const LIBRARIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];
