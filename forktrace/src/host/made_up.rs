//! Files of hosts that tests make up.

use std::fs;
use std::path::Path;

/// Writes a file below a folder, with the folders that it is in.
pub(super) fn write(root: &Path, file: impl AsRef<Path>, text: &str) {
    let whole = root.join(file);
    fs::create_dir_all(whole.parent().unwrap()).unwrap();
    fs::write(whole, text).unwrap();
}
