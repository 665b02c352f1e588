//! This machine's own programs for a test machine, with the libraries that they need.

use crate::run;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs and their libraries, for [`super::Image::add`], where they are here.
pub(crate) fn with_libraries(programs: impl IntoIterator<Item = PathBuf>) -> Result<Vec<String>> {
    let mut all: BTreeSet<PathBuf> = programs.into_iter().collect();
    for program in all.clone() {
        all.extend(libraries(&program)?);
    }
    Ok(all.iter().map(|file| in_place(file)).collect())
}

/// `HOST:GUEST` of a file or folder that is in the same place there.
pub(crate) fn in_place(file: &Path) -> String {
    let path = file.display().to_string();
    format!("{path}:{}", path.trim_start_matches('/'))
}

/// The libraries of a program, its interpreter included, as the dynamic linker finds them.
fn libraries(file: &Path) -> Result<Vec<PathBuf>> {
    let listed = run::capture(Command::new("ldd").arg(file))?;
    let path = |line: &str| {
        let mut words = line.split_whitespace();
        let path = words.find(|word| word.starts_with('/'))?;
        Some(PathBuf::from(path))
    };
    Ok(listed.lines().filter_map(path).collect())
}
