//! What provoking has to know of a processor's architecture.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub use aarch64::*;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;

/// Bytes of a page.
pub fn page() -> usize {
    crate::arch::Page::here().bytes() as usize
}
