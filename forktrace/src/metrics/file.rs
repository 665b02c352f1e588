//! A file for node_exporter's textfile collector: whole at any moment.

use std::{
    fs::Permissions,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::{fs::Mode, process::umask};

/// Where it is.
pub struct TextFile {
    path: PathBuf,
}

impl TextFile {
    /// `path` ends in `.prom`: the collector reads no others.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// The folder that it is in.
    pub fn folder(&self) -> &Path {
        let folder = self.path.parent();
        let named = folder.filter(|folder| !folder.as_os_str().is_empty());
        named.unwrap_or(Path::new("."))
    }

    /// Writes a file beside it and renames that. It is for everybody to read: the collector is another
    /// user. Not synced: after a crash of the machine the numbers begin anew anyway.
    pub fn write(&self, text: &str) -> io::Result<()> {
        // What was asked for above all others' wishes, for this one file.
        let before = umask(Mode::WGRP | Mode::WOTH);
        let beside = tempfile::Builder::new()
            .prefix(".forktrace-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(self.folder())
            .map_err(|error| kernels(&error));
        umask(before);
        let mut beside = beside?;
        beside.as_file_mut().write_all(text.as_bytes())?;
        let placed = beside.persist(&self.path);
        placed.map(|_| ()).map_err(|error| error.error)
    }
}

/// What the kernel answered, without the name of the file beside, which nobody knows.
fn kernels(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let why = text.split(" at path ").next().unwrap_or_default();
    io::Error::new(error.kind(), why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_replaced_as_a_whole_and_anybody_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.prom");
        let file = TextFile::new(&path);
        file.write("one 1\n").unwrap();
        let open = fs::File::open(&path).unwrap();
        file.write("two 2\n").unwrap();
        // Who reads the old one reads it to its end.
        assert_eq!(io::read_to_string(open).unwrap(), "one 1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two 2\n");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_fails_leaves_nothing() {
        let file = TextFile::new(Path::new("/proc/self/a.prom"));
        let error = file.write("x 1\n").unwrap_err().to_string();
        assert!(!error.contains(".forktrace-"), "{error}");
        assert!(error.contains("No such file or directory"), "{error}");
        assert_eq!(TextFile::new(Path::new("a.prom")).folder(), Path::new("."));
    }
}
