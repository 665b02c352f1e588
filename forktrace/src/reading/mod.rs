//! Reading what a command was given: with what is shown meanwhile, and what is told of damage.

mod growing;
mod progress;
mod rows;

use std::path::Path;

pub use self::{
    growing::Growing,
    progress::Progress,
    rows::{rows, tell_rows},
};
use crate::{
    recording::{Damage, ReadError, Reader},
    view::{clean, damage},
};

/// A file, or standard input for `-`.
pub fn open(path: &Path, progress: &Progress) -> Result<Reader, ReadError> {
    Reader::of_argument(path, |source| progress.watch(source))
}

/// Says on standard error what was passed over in a file.
pub fn tell_damage(path: &Path, of: Damage) {
    let path = path.to_string_lossy();
    let path = clean(&path);
    for what in damage(&of) {
        eprintln!("forktrace: {path}: {what}");
    }
}
