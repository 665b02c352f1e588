//! The machines that forktrace is published for, and what each is called by whom.

use crate::arch::Arch;

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Machine {
    #[value(name = "x86_64")]
    X86_64,
    #[value(name = "aarch64", alias = "arm64")]
    Aarch64,
}

impl Machine {
    /// As xtask names it.
    pub(crate) const fn arch(self) -> Arch {
        match self {
            Self::X86_64 => Arch::X86_64,
            Self::Aarch64 => Arch::Arm64,
        }
    }

    /// As the kernel, Rust and rpm name it.
    #[expect(clippy::misnamed_getters, reason = "a machine has several names")]
    pub(crate) fn name(self) -> &'static str {
        self.arch().facts().rust
    }

    /// As Debian, Go and container images name it.
    pub(crate) fn other_name(self) -> &'static str {
        self.arch().facts().debian
    }

    /// What rustc builds.
    pub(crate) fn triple(self) -> &'static str {
        self.arch().facts().triple
    }

    /// Whether this machine runs what is built for it.
    pub(crate) fn is_here(self) -> bool {
        self.arch().is_here()
    }
}
