//! Reading recordings: line by line in constant memory, and whatever is in the
//! file. A torn, damaged or foreign line is counted and passed over.

mod content;
mod damage;
mod frame;
mod gap;
mod lines;
mod source;
mod tape;
mod unpack;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use self::{
    content::{Content, Stop},
    lines::{Line, Lines},
    tape::Tape,
};
pub use self::{
    damage::Damage,
    gap::Gap,
    source::{NothingYet, OneWay, Source},
};
use crate::record::{Record, parse_line};

/// Whether zstd's data begins so.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(&frame::MAGIC) || frame::is_skippable(head)
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what each is")]
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
    #[error(
        "{path} was compressed with a window of {} MiB, and at most {} MiB are read: \
         `zstd -d --long=31` decompresses it",
        window.div_ceil(1 << 20),
        frame::LARGEST_WINDOW >> 20
    )]
    Window { path: PathBuf, window: u64 },
}

/// What is read.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<T> {
    /// A record.
    Record(T),
    /// Records are missing here.
    Gap(Gap),
}

/// A recording being read.
pub struct Reader {
    path: PathBuf,
    lines: Lines<Content>,
    damage: Damage,
    records: u64,
}

impl Reader {
    /// Opens a file, plain or compressed by zstd.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Open {
            path: path.to_owned(),
            source,
        })?;
        Self::new(path, Box::new(file))
    }

    /// Reads from anywhere; `path` is what errors call it.
    pub fn new(path: &Path, source: Box<dyn Source>) -> Result<Self, ReadError> {
        let content = Content::new(Tape::new(source)).map_err(|source| ReadError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            lines: Lines::new(content),
            damage: Damage::default(),
            records: 0,
        })
    }

    /// The next record; `None` at the end.
    pub fn read(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            match self.next()? {
                Some(Item::Gap(_)) => {}
                Some(Item::Record(record)) => return Ok(Some(record)),
                None => return Ok(None),
            }
        }
    }

    /// The next record, or where some are missing.
    #[expect(clippy::should_implement_trait, reason = "an error ends it")]
    pub fn next(&mut self) -> Result<Option<Item<Record>>, ReadError> {
        self.next_with(parse_line)
    }

    /// What is made of the next line of which something can be made: a line for
    /// which the answer is `None` is no record. For those who want less of each
    /// than a [`Record`].
    pub fn next_with<T>(
        &mut self,
        mut parse: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<Item<T>>, ReadError> {
        loop {
            let line = match self.lines.next() {
                Ok(line) => line,
                Err(Stop::Break) => {
                    self.damage.torn_bytes += self.lines.forget();
                    match self.lines.source().gap() {
                        Some(gap) => return Ok(Some(Item::Gap(gap))),
                        None => continue,
                    }
                }
                Err(Stop::Failed(error)) if NothingYet::is(&error) => {
                    self.lines.source().wait();
                    continue;
                }
                Err(Stop::Failed(source)) => {
                    return Err(ReadError::Read {
                        path: self.path.clone(),
                        source,
                    });
                }
            };
            match line {
                Line::Whole(line) => match bare(line) {
                    [] => {}
                    line => match parse(line) {
                        Some(record) => {
                            self.records += 1;
                            return Ok(Some(Item::Record(record)));
                        }
                        None => {
                            self.damage.unreadable += 1;
                            return Ok(Some(Item::Gap(Gap::default())));
                        }
                    },
                },
                Line::TooLong => {
                    self.damage.unreadable += 1;
                    return Ok(Some(Item::Gap(Gap::default())));
                }
                Line::Torn(bytes) => self.damage.torn_bytes += bytes,
                Line::End => return self.end().map(|()| None),
            }
        }
    }

    /// Whether what is at its end was a recording at all.
    fn end(&mut self) -> Result<(), ReadError> {
        let damage = self.damage();
        if self.records > 0 {
            return Ok(());
        }
        if damage.refused_frames > 0 {
            return Err(ReadError::Window {
                path: self.path.clone(),
                window: damage.largest_window,
            });
        }
        let strange = match self.lines.source().has_frames() {
            true if damage.bad_frames > 0 => 0,
            true => damage.unreadable,
            // Not one line of text among the bytes.
            false => damage.unreadable + damage.bad_frames,
        };
        match strange {
            0 => Ok(()),
            lines => Err(ReadError::NoRecording {
                path: self.path.clone(),
                lines,
            }),
        }
    }

    /// What was passed over so far.
    pub fn damage(&self) -> Damage {
        let mut damage = self.lines.about().damage();
        damage.add(self.damage);
        damage
    }
}

/// A line without what is no damage: spaces around it, the carriage return of other systems, and the
/// mark with which some begin a file of UTF-8.
fn bare(line: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r');
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let from = line.iter().position(is_text).unwrap_or(line.len());
    let to = line.iter().rposition(is_text).map_or(from, |last| last + 1);
    &line[from..to]
}
