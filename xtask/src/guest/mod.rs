//! The test machine: what is in it, and booting it.

mod accel;
mod boot;
mod console;
mod cpio;
pub(crate) mod cross;
pub(crate) mod host_files;
mod image;
mod measure;
pub(crate) mod postgres;
mod programs;

pub(crate) use accel::{Accel, chosen as chosen_accel};
pub(crate) use boot::{Boot, Cgroup, Ended, RETRY, qemu};
pub(crate) use console::reader;
pub(crate) use image::{Image, busybox};
pub(crate) use measure::{Measure, kernel_called};
pub(crate) use programs::{
    C_FLAGS, Programs, SHORT, program_flags, published_flags, short_build, short_cargo,
};
