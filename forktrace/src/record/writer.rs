//! Where records go: a file of lines that is only ever appended to.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use super::{Record, write_line};

/// A recording being written.
#[derive(Debug)]
pub struct Recording {
    file: File,
    path: PathBuf,
    /// Bytes of whole lines; `None` for a pipe or terminal, which can't be cut.
    whole: Option<u64>,
    line: Vec<u8>,
}

/// Why a recording can't be made or continued.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{path} exists already; --force overwrites it")]
    Exists { path: PathBuf },
    #[error("{path} is a symbolic link, which is not followed")]
    Symlink { path: PathBuf },
    #[error("creating {path}")]
    Create { path: PathBuf, source: io::Error },
    #[error("writing to {path} (what was written before stays readable)")]
    Write { path: PathBuf, source: io::Error },
    #[error("turning a record into JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// Creates a file for its owner only. An existing one is refused unless
/// `force`, and emptied then; a symbolic link is never followed.
pub fn create_private(path: &Path, force: bool) -> Result<File, WriteError> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path).map_err(|source| {
        let path = path.to_owned();
        let link = path.symlink_metadata().is_ok_and(|m| m.is_symlink());
        match source.raw_os_error() {
            _ if link => WriteError::Symlink { path },
            Some(libc::EEXIST) => WriteError::Exists { path },
            _ => WriteError::Create { path, source },
        }
    })
}

impl Recording {
    /// Creates the file, readable by its owner only. An existing file is
    /// refused unless `force`; a symbolic link is never followed.
    pub fn create(path: &Path, force: bool) -> Result<Self, WriteError> {
        let file = create_private(path, force)?;
        let regular = file.metadata().is_ok_and(|m| m.is_file());
        Ok(Self {
            file,
            path: path.to_owned(),
            whole: regular.then_some(0),
            line: Vec::with_capacity(4096),
        })
    }

    /// Appends one record as one line, with one write. When the disk is full
    /// the torn line is cut off again, so that every line stays whole.
    pub fn write(&mut self, record: &Record) -> Result<(), WriteError> {
        self.line.clear();
        write_line(&mut self.line, record)?;
        match self.file.write_all(&self.line) {
            Ok(()) => {
                if let Some(whole) = &mut self.whole {
                    *whole += self.line.len() as u64;
                }
                Ok(())
            }
            Err(source) => {
                if let Some(whole) = self.whole {
                    // Nothing more can be done about it when this fails too.
                    let _ = self.file.set_len(whole);
                }
                Err(WriteError::Write {
                    path: self.path.clone(),
                    source,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Loss;

    fn record() -> Record {
        Record::Loss(Loss {
            count: 1,
            since: "2026-01-01T00:00:00Z".to_owned(),
            reason: "ring_full".to_owned(),
        })
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("forktrace-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn refuses_what_exists_and_links() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = folder("writer");
        let path = dir.join("a.ndjson");
        Recording::create(&path, false)
            .unwrap()
            .write(&record())
            .unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let before = std::fs::read(&path).unwrap();
        assert!(matches!(
            Recording::create(&path, false),
            Err(WriteError::Exists { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let link = dir.join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        for force in [false, true] {
            assert!(matches!(
                Recording::create(&link, force),
                Err(WriteError::Symlink { .. })
            ));
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
        Recording::create(&path, true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_full_disk_is_an_error_and_names_the_file() {
        // Every write to /dev/full answers ENOSPC.
        let mut full = Recording::create(Path::new("/dev/full"), true).unwrap();
        let error = full.write(&record()).unwrap_err();
        let error = format!("{:#}", anyhow::Error::from(error));
        assert!(error.contains("/dev/full"), "{error}");
        assert!(error.contains("No space left"), "{error}");
    }
}
