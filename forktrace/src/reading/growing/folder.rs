//! Which files there are: all recordings below a folder, or one recording, whatever becomes of its name.

use std::{
    ffi::OsStr,
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use foldhash::HashSet;

use crate::recording::{FileId, ReadError, earlier_files};

/// Folders within folders.
const DEEPEST: usize = 16;

/// What was asked for.
pub(super) enum Asked {
    Folder(PathBuf),
    File {
        path: PathBuf,
        /// What had been put away before anybody asked, or has been listed since.
        before: HashSet<FileId>,
        /// The one that had the name at the last look.
        last: Option<FileId>,
    },
}

fn id(path: &Path) -> Option<FileId> {
    Some(FileId::of(&fs::metadata(path).ok()?))
}

impl Asked {
    pub(super) fn new(path: &Path) -> Result<Self, ReadError> {
        let about = fs::metadata(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        let path = path.to_owned();
        if about.is_dir() {
            return Ok(Self::Folder(path));
        }
        let before = earlier_files(&path).unwrap_or_default();
        Ok(Self::File {
            before: before.iter().filter_map(|file| id(file)).collect(),
            path,
            last: None,
        })
    }

    /// Those that there are now, in the order in which they were begun. `known`: it has been read.
    pub(super) fn files(&mut self, known: impl Fn(FileId) -> bool) -> Vec<PathBuf> {
        match self {
            Self::Folder(folder) => {
                let mut files = Vec::new();
                walk(folder, DEEPEST, &mut files);
                files.sort_unstable();
                files
            }
            Self::File { path, before, last } => {
                // First the name, so that what came between the two is among the others.
                let now = id(path);
                if now == *last {
                    return vec![path.clone()];
                }
                let mut files = earlier_files(path).unwrap_or_default();
                files.retain(|file| id(file).is_some_and(|id| known(id) || !before.contains(&id)));
                files.sort_unstable();
                if let Some(last) = *last
                    && !files.iter().any(|file| id(file) == Some(last))
                {
                    // Somebody else has renamed it.
                    files.extend(beside(path, last));
                }
                before.extend(files.iter().filter_map(|file| id(file)));
                files.push(path.clone());
                *last = now;
                files
            }
        }
    }
}

/// The file of this number in the same folder.
fn beside(path: &Path, wanted: FileId) -> Option<PathBuf> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let entries = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let mut files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|file| id(file) == Some(wanted))
}

/// Adds all recordings below a folder. What can't be read isn't there; links to folders are not followed.
fn walk(folder: &Path, deep: usize, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && deep > 0 {
            walk(&entry.path(), deep - 1, files);
        } else if !is_folder && is_recording(&entry.file_name()) {
            files.push(entry.path());
        }
    }
}

/// By the names that recordings have. A copy that is still being made has another.
fn is_recording(name: &OsStr) -> bool {
    const PLAIN: &[u8] = b".ndjson";
    let name = name.as_bytes();
    let plain = name.strip_suffix(b".zst").unwrap_or(name);
    plain.ends_with(PLAIN) && !name.starts_with(b".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_are_known_by_their_names() {
        let is = |name: &str| is_recording(OsStr::new(name));
        assert!(is("a.ndjson") && is("a.ndjson.zst") && is("a.20261123T032250123Z.ndjson.zst"));
        for other in [
            ".a.ndjson.zst.x8Jf2",
            ".a.ndjson",
            "a.zst",
            "a.parquet",
            "a.ndjson.gz",
            "a.json",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
