//! Names of files in messages.

use std::path::Path;

use super::clean;

/// A file's name, which whoever may write to its folder has chosen.
pub fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy()).into_owned()
}
