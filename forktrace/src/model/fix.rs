//! Ways out.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Fix {
    /// A command that helps at once.
    pub now: Option<String>,
    /// What makes it last.
    pub persistent: Option<String>,
    /// What to know before doing it.
    pub note: Option<String>,
}

/// How a lasting way begins that names neither a file nor a process, because nobody is known to have
/// set the limit.
const VAGUE: [&str; 3] = [
    "where ",
    "raise `ulimit -u` where ",
    "raise the limit where ",
];

impl Fix {
    /// Whether its lasting way says no more than that it is somewhere.
    pub fn is_vague(&self) -> bool {
        let lasting = self.persistent.as_deref().unwrap_or_default();
        VAGUE.iter().any(|opening| lasting.starts_with(opening))
    }
}

/// The hash of a part of it, whatever numbers stand there.
pub(crate) fn wording(part: &str) -> u64 {
    let text = part.as_bytes();
    let mut hasher = FixedState::default().build_hasher();
    let mut from = 0;
    while from < text.len() {
        let number = text[from..].iter().position(u8::is_ascii_digit);
        let end = number.map_or(text.len(), |at| from + at);
        hasher.write(&text[from..end]);
        let after = text[end..]
            .iter()
            .position(|b| !b.is_ascii_digit() && *b != b'.');
        from = after.map_or(text.len(), |at| end + at);
        if number.is_some() {
            hasher.write_u8(0);
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_no_other_wording() {
        assert_eq!(wording("echo 24 > /a"), wording("echo 120 > /a"));
        assert_eq!(wording("1.5 GiB of 20"), wording("23.25 GiB of 7"));
        assert_ne!(wording("echo 24 > /a"), wording("echo 24 > /b"));
        assert_ne!(wording("a"), wording("a1"));
        assert_ne!(wording(""), wording("1"));
    }
}
