//! arm64.

pub(crate) mod boot_image;

use super::Facts;

/// What differs from other machines.
pub(super) const FACTS: Facts = Facts {
    name: "arm64",
    rust: "aarch64",
    triple: "aarch64-unknown-linux-gnu",
    debian: "arm64",
    gnu: "aarch64-linux-gnu",
    cloud_kernel: "cloud-arm64",
    rt_kernel: "rt-arm64",
    large_pages_kernel: Some("arm64-16k"),
    // Its security updates of 5.10 are listed and not there.
    more_suites: &["bullseye"],
    kernels: &["5.10", "6.1", "6.12", "6.18", "newest", "6.12-16k"],
    // Functions take no programs on arm64 before 6.4.
    without_fexit: &["5.10", "6.1"],
    qemu: "qemu-system-aarch64",
    qemu_package: "qemu-system-arm",
    qemu_file: "/usr/bin/qemu-system-aarch64",
    board: &["-M", "virt"],
    cpu: "cortex-a72",
    cpu_measured: "cortex-a72",
    // The other one has no such pages. Without the option it signs pointers as hardware does, for
    // two thirds of the time.
    cpu_large_pages: "max,pauth-impdef=on",
    console: "ttyAMA0",
    // The linker of Debian 12 packs no relative addresses for it.
    link_args: &[],
    is_kernel: boot_image::is_one,
};
