//! Reading what a command was given: with what is shown meanwhile, and what is told of damage.

mod growing;
mod progress;
mod rows;

use std::path::{Path, PathBuf};

pub use self::{
    growing::Growing,
    progress::Progress,
    rows::{rows, tell_rows},
};
use crate::{
    model::shown,
    recording::{Damage, ReadError, Reader},
    view::damage,
};

/// A file, or standard input for `-`.
pub fn open(path: &Path, progress: &Progress) -> Result<Reader, ReadError> {
    Reader::of_argument(path, |source| progress.watch(source))
}

/// Reads files one after the other, and says what was passed over in each; what was damaged in all.
pub fn each<E: From<ReadError>>(
    files: &[PathBuf],
    mut read: impl FnMut(&mut Reader) -> Result<(), E>,
) -> Result<Damage, E> {
    let mut all = Damage::default();
    let progress = Progress::of(files);
    for path in files {
        let mut reader = open(path, &progress)?;
        read(&mut reader)?;
        let damage = reader.damage();
        all.add(damage);
        if damage.is_any() {
            progress.aside(|| tell_damage(path, damage));
        }
    }
    Ok(all)
}

/// Says on standard error what was passed over in a file.
pub fn tell_damage(path: &Path, of: Damage) {
    for what in damage_of(path, of) {
        eprintln!("forktrace: {what}");
    }
}

fn damage_of(path: &Path, of: Damage) -> Vec<String> {
    let path = shown(path);
    let damage = damage(&of).into_iter();
    damage.map(|what| format!("{path}: {what}")).collect()
}
