//! Reading recordings: line by line in constant memory, and whatever is in the
//! file. A torn, damaged or foreign line is counted and passed over.

mod frames;
mod lines;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use self::{
    frames::Frames,
    lines::{Line, Lines},
};
use crate::record::{Record, parse_line};

/// First bytes of a zstd frame (RFC 8878, 3.1.1), and of one to be skipped
/// (3.1.2), whose last digit may be any.
const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Whether zstd's data begins so.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(&FRAME) || head.get(1..4) == Some(&SKIPPABLE)
}

/// What was passed over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// Lines that are no record of this schema.
    pub unreadable: u64,
    /// Bytes behind the last newline: what a crash left of a line.
    pub torn_bytes: u64,
    /// Places where compressed data was damaged or cut off.
    pub bad_frames: u64,
}

impl Damage {
    /// Whether anything was damaged.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }

    /// Adds another file's.
    pub fn add(&mut self, other: Self) {
        self.unreadable += other.unreadable;
        self.torn_bytes += other.torn_bytes;
        self.bad_frames += other.bad_frames;
    }
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("opening {path}")]
    Open { path: PathBuf, source: io::Error },
    #[error("reading {path}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no recording of forktrace: none of its {lines} lines is a record \
         (recordings are made by `forktrace record` or `forktrace live --format json`)"
    )]
    NoRecording { path: PathBuf, lines: u64 },
}

/// What is read from.
type Source = BufReader<Box<dyn ReadSeek>>;

/// A file, or something like one.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// A pipe, as something that could go back and says that it can't.
pub struct OneWay<R>(pub R);

impl<R: Read> Read for OneWay<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.0.read(to)
    }
}

impl<R> Seek for OneWay<R> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A recording being read.
pub struct Reader {
    path: PathBuf,
    lines: Lines<Box<dyn BufRead>>,
    damage: Damage,
    records: u64,
}

impl Reader {
    /// Opens a file, plain or compressed by zstd: its first bytes decide.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(path, Box::new(file))
    }

    /// Reads from anywhere; `path` is what errors call it.
    pub fn new(path: &Path, source: Box<dyn ReadSeek>) -> Result<Self, ReadError> {
        let mut source: Source = BufReader::with_capacity(64 * 1024, source);
        let head = source.fill_buf().map_err(|source| ReadError::Read {
            path: path.to_owned(),
            source,
        })?;
        let source: Box<dyn BufRead> = if is_compressed(head) {
            Box::new(BufReader::with_capacity(64 * 1024, Frames::new(source)))
        } else {
            Box::new(source)
        };
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(source),
            damage: Damage::default(),
            records: 0,
        })
    }

    /// The next record; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Record>, ReadError> {
        self.read_with(parse_line)
    }

    /// What is made of the next line of which something can be made: a line for
    /// which the answer is `None` is no record. For those who want less of each
    /// than a [`Record`].
    pub fn read_with<T>(
        &mut self,
        mut parse: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        loop {
            let line = match self.lines.next() {
                Ok(line) => line,
                Err(error) if frames::is_damage(&error) => {
                    self.damage.bad_frames += 1;
                    self.lines.forget();
                    continue;
                }
                Err(source) => {
                    return Err(ReadError::Read {
                        path: self.path.clone(),
                        source,
                    });
                }
            };
            match line {
                Line::Whole(line) => match parse(line) {
                    Some(record) => {
                        self.records += 1;
                        return Ok(Some(record));
                    }
                    None => self.damage.unreadable += 1,
                },
                Line::TooLong => self.damage.unreadable += 1,
                Line::Torn(bytes) => self.damage.torn_bytes += bytes,
                Line::End if self.records == 0 && self.damage.unreadable > 0 => {
                    return Err(ReadError::NoRecording {
                        path: self.path.clone(),
                        lines: self.damage.unreadable,
                    });
                }
                Line::End => return Ok(None),
            }
        }
    }

    /// What was passed over so far.
    pub fn damage(&self) -> Damage {
        self.damage
    }
}
