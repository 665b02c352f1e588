//! x86-64.

pub(crate) mod boot_image;

/// In messages.
pub(crate) const NAME: &str = "x86-64";
/// What programs for it are built for.
pub(crate) const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// What Debian calls it.
pub(crate) const DEBIAN: &str = "amd64";
/// What names of Debian's packages of cloud kernels end in, and of those with PREEMPT_RT.
pub(crate) const CLOUD_KERNEL: &str = "cloud-amd64";
pub(crate) const RT_KERNEL: &str = "rt-amd64";

/// QEMU, the package with it, and the file that only it brings.
pub(crate) const QEMU: &str = "qemu-system-x86_64";
pub(crate) const QEMU_PACKAGE: &str = "qemu-system-x86";
pub(crate) const QEMU_FILE: &str = "/usr/bin/qemu-system-x86_64";
/// The processor of test machines.
pub(crate) const CPU: &str = "max";
/// The same without random numbers, by which each boot would lay memory out anew.
pub(crate) const CPU_MEASURED: &str = "max,-rdrand,-rdseed";
/// The serial line, as the kernel calls it.
pub(crate) const CONSOLE: &str = "ttyS0";

/// Files that only bcc's library and Python's need of C bring.
pub(crate) const BCC_LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/libbcc.so.0",
    "/usr/lib/x86_64-linux-gnu/librt.so.1",
];
