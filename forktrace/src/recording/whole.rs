//! Files that are written as a whole: a page, a baseline, a schema, a table. Each is written without a name
//! and put at its place once it is on the disk, so that what was there stays until then, and nothing is left
//! of it however it ends.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, linkat};
use tempfile::NamedTempFile;

use super::writer::{WriteError, missing_folder};

/// What `--force` of a command does; its part of the message where a file is there already.
const WAYS: &str = "--force overwrites it";

/// How names of recordings end.
pub const RECORDINGS: &[&str] = &["ndjson", "json", "zst"];

/// Whether a file can be written there, as far as can be told before.
pub fn check_whole(path: &Path, force: bool) -> Result<(), WriteError> {
    let Ok(there) = fs::symlink_metadata(path) else {
        return match missing_folder(path) {
            Some(folder) => Err(WriteError::NoFolder {
                path: path.to_owned(),
                folder,
            }),
            None => Ok(()),
        };
    };
    let path = path.to_owned();
    match there.file_type() {
        kind if kind.is_symlink() => Err(WriteError::Symlink { path }),
        kind if kind.is_dir() => Err(WriteError::Folder { path }),
        _ if !force => Err(WriteError::Exists { path, ways: WAYS }),
        _ => Ok(()),
    }
}

/// Writes a file for its owner only, or standard output for `-`. Of an error nothing is left, and
/// what was there before is as it was.
pub fn write_whole(path: &Path, force: bool, text: &[u8]) -> Result<(), WriteError> {
    if path == Path::new("-") {
        let mut out = io::stdout().lock();
        return out
            .write_all(text)
            .and_then(|()| out.flush())
            .map_err(|source| WriteError::StandardOutput { source });
    }
    check_whole(path, force)?;
    let there = fs::symlink_metadata(path);
    let written = match there {
        // A pipe or a device is no place to put a file at.
        Ok(there) if !there.is_file() => OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NOCTTY)
            .open(path)
            .and_then(|mut file| file.write_all(text)),
        _ => beside(path, force, text),
    };
    written.map_err(|source| failed(path, source))
}

fn beside(path: &Path, force: bool, text: &[u8]) -> io::Result<()> {
    let mut file = Unplaced::new(path)?;
    file.file().write_all(text)?;
    file.put(path, force)
}

/// A file on its way to its place.
enum Unplaced {
    /// By its descriptor alone: when it is closed, it is gone.
    Unnamed(File),
    /// Where the file system has no such files (NFS).
    Named(NamedTempFile),
}

impl Unplaced {
    fn new(path: &Path) -> io::Result<Self> {
        // What a descriptor is called when it is given a name.
        if Path::new(DESCRIPTORS).exists() {
            let unnamed = OpenOptions::new()
                .write(true)
                .mode(0o600)
                .custom_flags(libc::O_TMPFILE)
                .open(folder(path));
            if let Ok(file) = unnamed {
                return Ok(Self::Unnamed(file));
            }
        }
        let named = names().tempfile_in(folder(path));
        // Its own error names the file beside, which nobody knows.
        named
            .map(Self::Named)
            .map_err(|error| io::Error::from(error.kind()))
    }

    fn file(&mut self) -> &mut File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file_mut(),
        }
    }

    fn put(mut self, path: &Path, force: bool) -> io::Result<()> {
        self.file().sync_all()?;
        match self {
            Self::Named(file) => persist(file, path, force),
            Self::Unnamed(file) => match link(&file, path) {
                // A name can be given, and not taken from another file: it gets one first.
                Err(error) if force && error.kind() == io::ErrorKind::AlreadyExists => {
                    let named = names().make_in(folder(path), |name| link(&file, name))?;
                    persist(named, path, force)
                }
                linked => linked,
            },
        }
    }
}

const DESCRIPTORS: &str = "/proc/self/fd";

fn folder(path: &Path) -> &Path {
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn names() -> tempfile::Builder<'static, 'static> {
    let mut names = tempfile::Builder::new();
    names.prefix(".forktrace-");
    names
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    let descriptor = format!("{DESCRIPTORS}/{}", file.as_raw_fd());
    Ok(linkat(CWD, descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

fn persist<F>(file: NamedTempFile<F>, path: &Path, force: bool) -> io::Result<()> {
    let placed = match force {
        true => file.persist(path),
        false => file.persist_noclobber(path),
    };
    placed.map(|_| ()).map_err(|error| error.error)
}

/// A file that grows as it is written: it comes to its place by [`Self::finish`], and without that nothing is
/// left of it.
pub struct Whole {
    file: Unplaced,
    path: PathBuf,
    force: bool,
}

impl Whole {
    /// Begins it, where [`check_whole`] finds nothing wrong.
    pub fn begin(path: &Path, force: bool) -> Result<Self, WriteError> {
        check_whole(path, force)?;
        if fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(WriteError::NoPlace {
                path: path.to_owned(),
            });
        }
        let file = Unplaced::new(path).map_err(|source| failed(path, source))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            force,
        })
    }

    /// Puts it at its place.
    pub fn finish(self) -> Result<(), WriteError> {
        let put = self.file.put(&self.path, self.force);
        put.map_err(|source| failed(&self.path, source))
    }
}

impl io::Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.file().write(bytes);
        written.map_err(|source| named(&self.path, source))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.file.file().flush();
        flushed.map_err(|source| named(&self.path, source))
    }
}

/// With the file's name, for those who know how to write and not where to.
fn named(path: &Path, source: io::Error) -> io::Error {
    io::Error::new(source.kind(), failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> WriteError {
    match source.kind() {
        // It has come meanwhile.
        io::ErrorKind::AlreadyExists => WriteError::Exists {
            path: path.to_owned(),
            ways: WAYS,
        },
        _ => WriteError::Whole {
            path: path.to_owned(),
            source,
        },
    }
}

/// Refuses a name that promises what the file won't be: `page.html.gz` is read by nobody. `fits`
/// are the endings of what is written.
pub fn check_name(path: &Path, fits: &[&str]) -> Result<(), WriteError> {
    const OTHERS: [&str; 22] = [
        "gz", "tgz", "xz", "bz2", "lz4", "lzma", "br", "zip", "7z", "z", "zst", "html", "htm",
        "pdf", "csv", "tsv", "xml", "yaml", "yml", "parquet", "sqlite", "md",
    ];
    let Some(ending) = path.extension().and_then(|e| e.to_str()) else {
        return Ok(());
    };
    let small = ending.to_ascii_lowercase();
    if fits.contains(&&*small) || !OTHERS.contains(&&*small) {
        return Ok(());
    }
    let fits: Vec<String> = fits.iter().map(|ending| format!(".{ending}")).collect();
    Err(WriteError::OtherFormat {
        path: path.to_owned(),
        ending: ending.to_owned(),
        fits: fits.join(" or "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn names_in(folder: &Path) -> Vec<String> {
        let all = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = all
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_whole_and_its_owner_s_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.html");
        write_whole(&path, false, b"one").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let error = write_whole(&path, false, b"two").unwrap_err();
        assert!(matches!(error, WriteError::Exists { .. }), "{error}");
        assert!(!error.to_string().contains("--append"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write_whole(&path, true, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(names_in(dir.path()), ["a.html"]);
    }

    /// Until it is finished, the folder is as it was, and so it stays where that never comes.
    #[test]
    fn what_grows_comes_to_its_place_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        fs::write(&path, "old").unwrap();
        assert!(matches!(
            Whole::begin(&path, false),
            Err(WriteError::Exists { .. })
        ));
        let mut given_up = Whole::begin(&path, true).unwrap();
        given_up.write_all(b"half").unwrap();
        // So that nothing is left where it is killed.
        assert_eq!(names_in(dir.path()), ["a.csv"]);
        drop(given_up);
        assert_eq!(names_in(dir.path()), ["a.csv"]);
        let mut whole = Whole::begin(&path, true).unwrap();
        whole.write_all(b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"old");
        whole.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(names_in(dir.path()), ["a.csv"]);
        let device = Whole::begin(Path::new("/dev/null"), true);
        assert!(matches!(device, Err(WriteError::NoPlace { .. })));
    }

    /// As on file systems that have no files without a name.
    #[test]
    fn a_file_with_a_name_comes_to_its_place_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        for (text, force) in [("one", false), ("two", true)] {
            let mut file = Unplaced::Named(names().tempfile_in(dir.path()).unwrap());
            file.file().write_all(text.as_bytes()).unwrap();
            file.put(&path, force).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        let again = Unplaced::Named(names().tempfile_in(dir.path()).unwrap());
        let error = again.put(&path, false).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(names_in(dir.path()), ["a.csv"]);
    }

    #[test]
    fn what_is_written_names_its_file_where_it_fails() {
        let source = io::Error::from(io::ErrorKind::StorageFull);
        let error = named(Path::new("a.csv"), source);
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(
            text.starts_with("writing a.csv (what was there before"),
            "{text}"
        );
        assert!(text.ends_with(": no storage space"), "{text}");
    }

    #[test]
    fn what_is_no_place_for_a_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        symlink("/etc/passwd", &link).unwrap();
        for (path, text) in [
            (dir.path().to_owned(), "is a folder"),
            (link, "is a symbolic link"),
            (dir.path().join("none/x"), "there is no folder"),
        ] {
            let error = write_whole(&path, true, b"x").unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
        assert_eq!(names_in(dir.path()), ["link"]);
    }

    #[test]
    fn errors_name_the_file_that_was_asked_for() {
        // Nobody makes files there, root neither.
        let error = write_whole(Path::new("/proc/self/x.html"), false, b"x").unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(error));
        assert!(text.starts_with("writing /proc/self/x.html"), "{text}");
        assert!(!text.contains(".forktrace-"), "{text}");
    }

    /// A device takes it as it comes; what it can't take is an error.
    #[test]
    fn devices_are_written_to() {
        assert!(write_whole(Path::new("/dev/null"), true, b"x").is_ok());
        let error = write_whole(Path::new("/dev/full"), true, b"x").unwrap_err();
        assert!(matches!(error, WriteError::Whole { .. }), "{error}");
    }

    #[test]
    fn names_that_promise_another_format_are_refused() {
        let refused = |name: &str, fits: &[&str]| check_name(Path::new(name), fits).is_err();
        for name in ["a.ndjson.gz", "a.xz", "a.GZ", "a.html", "a.csv"] {
            assert!(refused(name, &["ndjson", "zst"]), "{name}");
        }
        for name in ["a.ndjson", "a.zst", "a", "-", "a.log", "a.2026", ".gz"] {
            assert!(!refused(name, &["ndjson", "zst"]), "{name}");
        }
        assert!(refused("a.html.zst", &["html"]) && !refused("a.html", &["html"]));
        let error = check_name(Path::new("a.gz"), &["ndjson", "zst"]).unwrap_err();
        assert!(error.to_string().contains(".ndjson or .zst"), "{error}");
    }
}
