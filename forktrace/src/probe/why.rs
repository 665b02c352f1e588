//! Why the kernel didn't take a program, in one line.

use std::io;

use aya::programs::ProgramError;

use crate::arch::NO_TRAMPOLINES;

/// Why a probe could not be attached.
pub(super) struct Why(String);

impl Why {
    /// In our own words.
    pub(super) fn text(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// What was tried, and what the kernel answered.
    pub(super) fn io(doing: &str, error: &io::Error) -> Self {
        Self(format!("{doing}: {error}"))
    }

    /// One line.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl From<ProgramError> for Why {
    fn from(error: ProgramError) -> Self {
        let mut why = String::new();
        let mut source: Option<&dyn std::error::Error> = Some(&error);
        while let Some(e) = source {
            // The verifier's log is many lines long: its end says what is wrong.
            let text = said(e);
            let text = match text.rfind("Verifier output:") {
                // Refused before the verifier said anything.
                Some(at) if text[at..].trim_end() == "Verifier output:" => {
                    text[..at].trim_end_matches([' ', '.']).to_owned()
                }
                Some(_) if text.len() > 600 => {
                    let tail: Vec<&str> = text.lines().rev().take(8).collect();
                    tail.into_iter().rev().collect::<Vec<_>>().join(" | ")
                }
                _ => text,
            };
            if !why.contains(&text) {
                if !why.is_empty() {
                    why.push_str(": ");
                }
                why.push_str(&text);
            }
            source = e.source();
        }
        Self(why)
    }
}

const ENOTSUPP: i32 = 524; // include/linux/errno.h

/// In words, where the C library has none for an errno.
fn said(error: &dyn std::error::Error) -> String {
    let unknown = io::Error::from_raw_os_error(ENOTSUPP).to_string();
    error.to_string().replace(&unknown, NO_TRAMPOLINES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(errno: i32, log: &str) -> String {
        let error = ProgramError::LoadError {
            io_error: io::Error::from_raw_os_error(errno),
            verifier_log: aya_obj::VerifierLog::new(log.to_owned()),
        };
        crate::model::without_numbers(&Why::from(error).into_text())
    }

    #[test]
    fn an_errno_of_the_kernels_own_is_said_in_words() {
        let why = refused(ENOTSUPP, "");
        assert!(why.contains(NO_TRAMPOLINES), "{why}");
        assert!(!why.contains("524"), "{why}");
    }

    #[test]
    fn a_verifier_that_said_nothing_is_not_quoted() {
        let load = |log: &str| refused(libc::EPERM, log);
        let silent = load("");
        assert!(silent.contains("Operation not permitted"), "{silent}");
        assert!(!silent.contains("Verifier"), "{silent}");
        assert!(load("R1 is bad").contains("R1 is bad"));
    }
}
