//! Why the kernel didn't take a program, in one line.

use std::io;

use aya::programs::ProgramError;

/// Why a probe could not be attached.
pub struct Why(String);

impl Why {
    /// In our own words.
    pub fn text(why: impl Into<String>) -> Self {
        Self(why.into())
    }

    /// What was tried, and what the kernel answered.
    pub fn io(doing: &str, error: &io::Error) -> Self {
        Self(format!("{doing}: {error}"))
    }

    /// One line.
    pub fn into_text(self) -> String {
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
