//! The architectures of the test kernels and of what runs on them: each a folder with its facts.

pub(crate) mod aarch64;
pub(crate) mod x86_64;

pub(crate) use x86_64::{BCC_LIBRARIES, boot_image};

/// Where Debian has shared libraries, on any architecture that xtask builds on.
pub(crate) const LIBRARIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Arch {
    /// x86-64
    #[value(name = "x86_64")]
    X86_64,
    /// arm64, on any machine: built by a cross compiler and emulated
    #[value(alias = "aarch64")]
    Arm64,
}

/// What differs.
pub(crate) struct Facts {
    /// In messages.
    pub name: &'static str,
    /// What Rust calls it.
    pub rust: &'static str,
    /// What programs for it are built for.
    pub triple: &'static str,
    /// What Debian calls it.
    pub debian: &'static str,
    /// What the compiler's name for C begins with.
    pub gnu: &'static str,
    /// What names of Debian's packages of cloud kernels end in.
    pub cloud_kernel: &'static str,
    /// Those with PREEMPT_RT.
    pub rt_kernel: &'static str,
    /// Those with pages of 16 KiB.
    pub large_pages_kernel: Option<&'static str>,
    /// Debian's releases that have test kernels which the others have no longer.
    pub more_suites: &'static [&'static str],
    /// The kernels that the tests run on; `newest` is the newest that Debian has, `-rt` one that is
    /// built with PREEMPT_RT, `-16k` one with pages of 16 KiB.
    pub kernels: &'static [&'static str],
    /// Of these, the ones without the style `fexit`.
    pub without_fexit: &'static [&'static str],
    /// QEMU, the package with it, and the file that only it brings.
    pub qemu: &'static str,
    pub qemu_package: &'static str,
    pub qemu_file: &'static str,
    /// More that it has to be told.
    pub board: &'static [&'static str],
    /// The processor of test machines, of those that are measured, of those with larger pages.
    pub cpu: &'static str,
    pub cpu_measured: &'static str,
    pub cpu_large_pages: &'static str,
    /// The serial line, as the kernel calls it.
    pub console: &'static str,
    /// For the linker, by way of rustc.
    pub link_args: &'static [&'static str],
    /// Whether these bytes are a kernel for it.
    pub is_kernel: fn(&[u8]) -> bool,
}

impl Arch {
    /// The machine that xtask runs on.
    pub(crate) const HERE: Self = if cfg!(target_arch = "aarch64") {
        Self::Arm64
    } else {
        Self::X86_64
    };

    /// What differs.
    pub(crate) fn facts(self) -> &'static Facts {
        match self {
            Self::X86_64 => &x86_64::FACTS,
            Self::Arm64 => &aarch64::FACTS,
        }
    }

    /// Whether it is this machine's.
    pub(crate) fn is_here(self) -> bool {
        self == Self::HERE
    }
}
