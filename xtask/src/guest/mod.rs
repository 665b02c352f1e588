//! The test machine: what is in it, and booting it.

mod boot;
mod console;
mod cpio;
pub mod host_files;
mod image;
mod measure;
pub mod postgres;
mod programs;

pub use boot::{Boot, Cgroup, RETRY, qemu};
pub use console::reader;
pub use image::{Image, busybox};
pub use measure::{Measure, kernel_called};
pub use programs::Programs;
