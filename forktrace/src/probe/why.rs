//! Why the kernel didn't take a program, in one line.

use std::io;

use aya::programs::ProgramError;

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
            let text = e.to_string();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_that_said_nothing_is_not_quoted() {
        let load = |log: &str| {
            let error = ProgramError::LoadError {
                io_error: io::Error::from_raw_os_error(libc::EPERM),
                verifier_log: aya_obj::VerifierLog::new(log.to_owned()),
            };
            crate::model::without_numbers(&Why::from(error).into_text())
        };
        let silent = load("");
        assert!(silent.contains("Operation not permitted"), "{silent}");
        assert!(!silent.contains("Verifier"), "{silent}");
        assert!(load("R1 is bad").contains("R1 is bad"));
    }
}
