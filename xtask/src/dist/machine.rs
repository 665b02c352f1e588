//! The machines that forktrace is published for, and what each is called by whom.

/// One of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Machine {
    #[value(name = "x86_64")]
    X86_64,
}

impl Machine {
    /// As the kernel, Rust and rpm name it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
        }
    }

    /// As Debian, Go and container images name it.
    pub(crate) const fn other_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
        }
    }

    /// What rustc builds.
    pub(crate) const fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    /// Whether this machine runs what is built for it.
    pub(crate) fn is_here(self) -> bool {
        std::env::consts::ARCH == self.name()
    }
}
