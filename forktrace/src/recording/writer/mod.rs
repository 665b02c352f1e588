//! Recordings: files of lines that are only ever appended to, for weeks.

mod output;
mod rotate;
mod space;

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use self::output::Output;
pub(super) use self::output::missing_folder;
pub use self::rotate::{earlier_files, next_earlier};
use super::whole::{RECORDINGS, check_name};
use crate::{
    model::{LossReason, shown},
    record::{Loss, Record, write_line},
};

/// What becomes of a file that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// The file stays, and there is no recording.
    #[default]
    Refuse,
    /// The file is emptied.
    Overwrite,
    /// A recording is continued.
    Append,
}

/// What is on the disk when the machine stops without warning. When forktrace
/// alone does, every record that was written is in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sync {
    /// What the kernel has written by itself.
    System,
    /// The files before the one that is being written.
    #[default]
    File,
    /// Every record.
    Record,
}

/// How a recording is kept.
#[derive(Clone, Debug, Default)]
pub struct Keeping {
    /// What becomes of a file that is there already.
    pub existing: Existing,
    /// A new file is begun when the next line would make it larger, in bytes;
    /// compressed, when it has become so large.
    pub max_size: Option<u64>,
    /// A new file is begun with the first record after this time.
    pub max_age: Option<Duration>,
    /// How many earlier files are kept; `None`: all.
    pub keep: Option<usize>,
    /// When what was written is flushed to the disk.
    pub sync: Sync,
    /// Nothing is written while the file system has less room, in bytes: what
    /// isn't is counted.
    pub min_free: Option<u64>,
}

impl Keeping {
    fn rotates(&self) -> bool {
        self.max_size.is_some() || self.max_age.is_some()
    }
}

/// Why a recording can't be made or continued.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what each is")]
pub enum WriteError {
    #[error("{path} exists already; {ways}", path = shown(.path))]
    Exists { path: PathBuf, ways: &'static str },
    #[error("{path} is a folder; give the name of a file in it", path = shown(.path))]
    Folder { path: PathBuf },
    #[error("{path}: what is written is no .{ending}; end the name in {fits}", path = shown(.path))]
    OtherFormat {
        path: PathBuf,
        ending: String,
        fits: String,
    },
    #[error("{path} is a symbolic link, which is not followed", path = shown(.path))]
    Symlink { path: PathBuf },
    #[error("{path} is being written by another forktrace", path = shown(.path))]
    Locked { path: PathBuf },
    #[error("{path} is no recording of this kind, and is not appended to", path = shown(.path))]
    NoRecording { path: PathBuf },
    #[error("{path} is no regular file, which can't be appended to or followed by others", path = shown(.path))]
    NoFile { path: PathBuf },
    #[error("{path} can't be created: there is no folder {folder}", path = shown(.path), folder = shown(.folder))]
    NoFolder { path: PathBuf, folder: PathBuf },
    #[error("{path} is no regular file, which is what this is written to", path = shown(.path))]
    NoPlace { path: PathBuf },
    #[error("opening {path}", path = shown(.path))]
    Open { path: PathBuf, source: io::Error },
    #[error("writing to {path} (what was written before stays readable)", path = shown(.path))]
    Write { path: PathBuf, source: io::Error },
    #[error("writing {path} (what was there before is as it was)", path = shown(.path))]
    Whole { path: PathBuf, source: io::Error },
    #[error("writing to standard output")]
    StandardOutput { source: io::Error },
    #[error("beginning a new file for {path} (the old one is written on)", path = shown(.path))]
    Rotate { path: PathBuf, source: io::Error },
    #[error("removing what is older than --keep of {path}", path = shown(.path))]
    Remove { path: PathBuf, source: io::Error },
    #[error("turning a record into JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// After a rotation that failed, the next is tried so much later.
const RETRY: Duration = Duration::from_secs(60);

/// A recording being written.
pub struct Recording {
    keeping: Keeping,
    output: Output,
    compressed: bool,
    /// When the file was begun.
    since: Instant,
    /// Whether more than its session is in the file.
    has_records: bool,
    /// A rotation that failed is not tried again before this.
    not_before: Option<Instant>,
    /// The `session` line, which begins every file.
    session: Vec<u8>,
    line: Vec<u8>,
    /// By reason.
    left_out: Vec<Loss>,
    warning: Option<WriteError>,
}

impl Recording {
    /// Begins or continues a recording, compressed by zstd where the name ends
    /// in `.zst`.
    pub fn open(path: &Path, keeping: Keeping) -> Result<Self, WriteError> {
        check_name(path, RECORDINGS)?;
        let compressed = path.extension().is_some_and(|e| e == "zst");
        let output = Output::open(path, keeping.existing, compressed)?;
        if keeping.rotates() && !output.is_regular() {
            return Err(WriteError::NoFile {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            has_records: output.bytes() > 0,
            keeping,
            output,
            compressed,
            since: Instant::now(),
            not_before: None,
            session: Vec::new(),
            line: Vec::with_capacity(4096),
            left_out: Vec::new(),
            warning: None,
        })
    }

    /// Writes one record, to a new file where one is due. The `summary`, which
    /// is the last one, also ends what is compressed.
    pub fn write(&mut self, record: &Record) -> Result<(), WriteError> {
        let last = matches!(record, Record::Summary(_));
        if !last && self.no_room() {
            if let Some(loss) = left_out(record) {
                let mut before = self.left_out.iter_mut();
                match before.find(|sum| sum.reason == loss.reason) {
                    Some(sum) => sum.count += loss.count,
                    None => self.left_out.push(loss),
                }
                return Ok(());
            }
        } else {
            for loss in std::mem::take(&mut self.left_out) {
                self.append(&Record::Loss(loss))?;
            }
        }
        self.append(record)?;
        if last {
            self.output.end_frame()?;
            if self.keeping.sync != Sync::System {
                self.output.sync()?;
            }
        }
        Ok(())
    }

    /// What went wrong beside the writing, once.
    pub fn warning(&mut self) -> Option<WriteError> {
        self.warning.take()
    }

    fn append(&mut self, record: &Record) -> Result<(), WriteError> {
        self.line.clear();
        write_line(&mut self.line, record)?;
        let begins = matches!(record, Record::Session(_));
        if begins {
            self.session.clone_from(&self.line);
        }
        if self.is_due() {
            self.warning = self.rotate().err();
            self.not_before = self.warning.is_some().then(|| Instant::now() + RETRY);
            if begins && self.warning.is_none() {
                return Ok(());
            }
        }
        self.output.append(&self.line)?;
        self.has_records |= !begins;
        if self.keeping.sync == Sync::Record {
            self.output.sync()?;
        }
        Ok(())
    }

    fn is_due(&self) -> bool {
        let next = if self.compressed { 0 } else { self.line.len() };
        let size = self.output.bytes() + next as u64;
        let full = |max: u64| size > max || (self.compressed && size == max);
        self.has_records
            && self.not_before.is_none_or(|then| Instant::now() >= then)
            && (self.keeping.max_size.is_some_and(full)
                || self
                    .keeping
                    .max_age
                    .is_some_and(|max| self.since.elapsed() >= max))
    }

    /// The new file is whole before it gets the name, and the old one keeps all
    /// that it has, whatever fails.
    fn rotate(&mut self) -> Result<(), WriteError> {
        let path = self.output.path().to_owned();
        self.output.end_frame()?;
        let synced = self.keeping.sync != Sync::System;
        if synced {
            self.output.sync()?;
        }
        let failed = |source| WriteError::Rotate {
            path: path.clone(),
            source,
        };
        let new = hidden(&path);
        match fs::remove_file(&new) {
            // What a crash has left.
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        }
        let mut next = Output::open(&new, Existing::Refuse, self.compressed)?;
        let moved = next
            .append(&self.session)
            .and_then(|()| if synced { next.sync() } else { Ok(()) })
            .and_then(|()| take_the_place(&new, &path).map_err(failed));
        if let Err(error) = moved {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        next.set_path(path.clone());
        self.output = next;
        self.since = Instant::now();
        self.has_records = false;
        let kept = match self.keeping.keep {
            Some(keep) => rotate::remove_oldest(&path, keep),
            None => Ok(()),
        };
        let synced = if synced { sync_folder(&path) } else { Ok(()) };
        if let Err(source) = kept.and(synced) {
            self.warning = Some(WriteError::Remove { path, source });
        }
        Ok(())
    }

    fn no_room(&self) -> bool {
        self.keeping.min_free.is_some_and(|min| {
            // What can't be asked is tried.
            space::free(self.output.file()).is_ok_and(|free| free < min)
        })
    }
}

/// The old file gets a name with the time, and the new one its name.
fn take_the_place(new: &Path, path: &Path) -> io::Result<()> {
    let earlier = rotate::put_away(path, Timestamp::now())?;
    rotate::rename_new(new, path).inspect_err(|_| {
        // As it was: the recording goes on under its name.
        let _ = rotate::rename_new(&earlier, path);
    })
}

/// Beside the file, and found by no pattern of its name.
fn hidden(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// The loss that a record leaves when it is not written; `None`: nothing that is counted.
fn left_out(record: &Record) -> Option<Loss> {
    let (count, since, reason) = match record {
        Record::Failure(failure) => (1, &failure.time, LossReason::NoSpace),
        Record::Repeat(repeat) => (repeat.count, &repeat.first, LossReason::NoSpace),
        Record::OomKill(kill) => (1, &kill.time, LossReason::OomKill),
        _ => return None,
    };
    Some(Loss {
        count,
        since: since.clone(),
        reason,
    })
}
