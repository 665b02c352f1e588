//! Ways out.

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
