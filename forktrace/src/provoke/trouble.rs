//! Why something was not provoked.

use std::io;

use rustix::io::Errno;

/// Why a provocation came to no refusal.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// It doesn't apply to this host, or the host forbids it: one sentence.
    #[error("{0}")]
    Skip(String),
    /// A signal asked for the end.
    #[error("interrupted by a signal")]
    Interrupted,
    /// A step of the set-up was refused by the kernel.
    #[error("{doing}: {answer}")]
    Refused {
        /// What was tried.
        doing: String,
        /// What the kernel answered.
        answer: io::Error,
    },
    /// Something that should not happen: one sentence.
    #[error("{0}")]
    Odd(String),
}

impl Trouble {
    /// For `map_err`: what was tried.
    pub fn at<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        let doing = doing.into();
        move |answer| Self::Refused {
            doing,
            answer: answer.into(),
        }
    }

    /// The kernel's answer to what was tried, by its number.
    pub fn errno(doing: impl Into<String>, errno: i32) -> Self {
        Self::at::<Errno>(doing)(Errno::from_raw_os_error(errno))
    }

    /// The same trouble as a reason to leave the provocation out: for steps
    /// that a host may forbid.
    #[must_use]
    pub fn into_skip(self) -> Self {
        match self {
            Self::Interrupted => Self::Interrupted,
            other => Self::Skip(other.to_string()),
        }
    }
}

/// For bodies of actors that fail with any error; the sentence is all that leaves their process.
impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Odd(format!("{error:#}"))
    }
}
