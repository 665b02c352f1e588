//! The test machine: what is in it, and booting it.

mod boot;
mod console;
mod cpio;
mod image;
mod programs;

pub use boot::{Boot, Cgroup, RETRY, qemu};
pub use console::reader;
pub use image::{Image, busybox};
pub use programs::Programs;
