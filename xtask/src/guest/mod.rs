//! The test machine: what is in it, and booting it.

mod accel;
mod boot;
mod console;
mod cpio;
pub mod host_files;
mod image;
mod measure;
pub mod postgres;
mod programs;

pub use accel::{Accel, chosen as chosen_accel};
pub use boot::{Boot, Cgroup, Ended, RETRY, qemu};
pub use console::reader;
pub use image::{Image, busybox};
pub use measure::{Measure, kernel_called};
pub use programs::{PROGRAM_FLAGS, Programs, SHORT, short_cargo};
