//! Ways out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fix {
    /// A command that helps at once.
    pub now: Option<String>,
    /// What makes it last.
    pub persistent: Option<String>,
    /// What to know before doing it.
    pub note: Option<String>,
}
