//! x86-64.

pub(crate) mod boot_image;

use super::Facts;

/// What differs from other machines.
pub(super) const FACTS: Facts = Facts {
    name: "x86-64",
    rust: "x86_64",
    triple: "x86_64-unknown-linux-gnu",
    debian: "amd64",
    gnu: "x86_64-linux-gnu",
    cloud_kernel: "cloud-amd64",
    rt_kernel: "rt-amd64",
    large_pages_kernel: None,
    more_suites: &[],
    kernels: &["5.10", "6.1", "6.12", "6.18", "newest", "6.1-rt", "6.12-rt"],
    without_fexit: &[],
    qemu: "qemu-system-x86_64",
    qemu_package: "qemu-system-x86",
    qemu_file: "/usr/bin/qemu-system-x86_64",
    board: &[],
    cpu: "max",
    // Without random numbers, by which each boot would lay memory out anew.
    cpu_measured: "max,-rdrand,-rdseed",
    cpu_large_pages: "max",
    console: "ttyS0",
    // Without packing, the addresses that a static program corrects at its start take 170 KB of it;
    // glibc 2.36 is the first that corrects packed ones.
    link_args: &["-Clink-arg=-Wl,-z,pack-relative-relocs"],
    is_kernel: boot_image::is_one,
};

/// Files that only bcc's library and Python's need of C bring.
pub(crate) const BCC_LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/libbcc.so.0",
    "/usr/lib/x86_64-linux-gnu/librt.so.1",
];
