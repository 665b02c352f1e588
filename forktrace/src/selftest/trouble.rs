//! Why a cause was not provoked.

use std::io;

/// Why a provocation came to no refusal.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It doesn't apply to this host, or the host forbids it: one sentence.
    #[error("{0}")]
    Skip(String),
    /// A signal asked the selftest to end.
    #[error("interrupted by a signal")]
    Interrupted,
    /// A step of the set-up was refused by the kernel.
    #[error("{doing}: {source}")]
    Refused {
        /// What was tried.
        doing: String,
        /// What the kernel answered.
        source: io::Error,
    },
    /// Something that should not happen: one sentence.
    #[error("{0}")]
    Odd(String),
}

impl Trouble {
    /// For `map_err`: what was tried.
    pub fn at(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Refused { doing, source }
    }

    /// The same trouble as a reason to leave the provocation out: for steps
    /// that a host may forbid.
    pub fn into_skip(self) -> Self {
        match self {
            Self::Interrupted => Self::Interrupted,
            other => Self::Skip(other.to_string()),
        }
    }
}
