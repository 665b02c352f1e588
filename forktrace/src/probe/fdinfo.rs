//! What /proc/self/fdinfo says of a descriptor: one `key:` and its value a line.

use std::{fs, io, path::Path};

/// The folder that has a file for each of this process's descriptors.
pub(super) const FOLDER: &str = "/proc/self/fdinfo";

/// All that is said of one.
///
/// # Errors
/// It isn't open, or /proc isn't mounted.
pub(super) fn read(descriptor: i32) -> io::Result<String> {
    fs::read_to_string(Path::new(FOLDER).join(descriptor.to_string()))
}

/// The number behind a key, which ends in a colon.
pub(super) fn number<T: std::str::FromStr>(text: &str, key: &str) -> Option<T> {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(key))?;
    value.trim().parse().ok()
}
