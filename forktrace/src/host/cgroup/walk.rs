//! Walks through the folders of a hierarchy.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Folders visited at most. A busy node has a few thousand.
pub const MAX_FOLDERS: usize = 65_536;

/// There are more cgroups than are searched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gave up searching {} after {MAX_FOLDERS} cgroups", .top.display())]
pub struct TooMany {
    /// Where the search began.
    pub top: PathBuf,
}

/// Calls `visit` with `top` and each folder below it, and their inode numbers,
/// until it breaks off. What vanishes or can't be read meanwhile is left out.
pub(in crate::host) fn folders(
    top: &Path,
    mut visit: impl FnMut(&Path, u64) -> ControlFlow<()>,
) -> Result<(), TooMany> {
    let Ok(meta) = fs::metadata(top) else {
        return Ok(());
    };
    if visit(top, meta.ino()).is_break() {
        return Ok(());
    }
    let mut pending = vec![top.to_owned()];
    let mut visited = 1;
    while let Some(folder) = pending.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            // From the directory itself, no further system call; links are no
            // folders here.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            visited += 1;
            if visited > MAX_FOLDERS {
                return Err(TooMany {
                    top: top.to_owned(),
                });
            }
            let path = entry.path();
            if visit(&path, entry.ino()).is_break() {
                return Ok(());
            }
            pending.push(path);
        }
    }
    Ok(())
}
