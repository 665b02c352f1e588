//! Reading recordings: line by line in constant memory, and whatever is in the
//! file. A torn, damaged or foreign line is counted and passed over.

mod content;
mod damage;
mod foreign;
mod frame;
mod gap;
mod lines;
mod place;
mod source;
mod tape;
mod unpack;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use self::{
    content::{Content, Stop},
    foreign::instead,
    lines::{Line, Lines},
    source::Growing,
    tape::Tape,
};
pub use self::{
    damage::Damage,
    gap::Gap,
    place::Place,
    source::{NothingYet, OneWay, Source},
};
use crate::{
    model::shown,
    record::{Record, parse_line},
};

/// Whether zstd's data begins so.
pub(super) fn is_compressed(head: &[u8]) -> bool {
    head.starts_with(&frame::MAGIC) || frame::is_skippable(head)
}

/// Why a file can't be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message says what each is")]
pub enum ReadError {
    #[error("opening {path}", path = shown(.path))]
    Open { path: PathBuf, source: io::Error },
    #[error("reading {path}", path = shown(.path))]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "{path} is no recording of forktrace: none of its {lines} lines is a record \
         (recordings are made by `forktrace record` or `forktrace live --format json`)",
        path = shown(.path)
    )]
    NoRecording { path: PathBuf, lines: u64 },
    #[error(
        "{path} is {what}; what {instead} makes of it can be read, through a pipe too (`-` is \
         standard input)",
        path = shown(.path)
    )]
    Foreign {
        path: PathBuf,
        what: &'static str,
        instead: &'static str,
    },
    #[error(
        "{path} was compressed with a window of {} MiB, and at most {} MiB are read: \
         `zstd -d --long=31` decompresses it",
        window.div_ceil(1 << 20),
        frame::LARGEST_WINDOW >> 20,
        path = shown(.path)
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

/// What is read, as it stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Whole lines, see [`lines_of`].
    Lines(&'a [u8]),
    /// Records are missing here.
    Gap(Gap),
}

/// The lines of a piece, without what is no damage; those without anything are left out. `None`: one
/// that is too long to be a record.
pub fn lines_of(piece: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = piece;
    let lines = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, behind) = rest.split_at(end);
        rest = behind.get(1..).unwrap_or_default();
        Some((line.len() <= lines::LONGEST).then(|| bare(line)))
    });
    lines.filter(|line| line.is_none_or(|line| !line.is_empty()))
}

/// A recording being read.
pub struct Reader {
    path: PathBuf,
    lines: Lines<Content>,
    damage: Damage,
    records: u64,
    /// Of a file that grows, where reading it began: at its end there is nothing yet.
    from: Option<u64>,
}

fn file(path: &Path) -> Result<File, ReadError> {
    File::open(path).map_err(|source| ReadError::Open {
        path: path.to_owned(),
        source,
    })
}

impl Reader {
    /// Opens a file, plain or compressed by zstd.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(path, Box::new(file(path)?))
    }

    /// Opens what a command was given: a file, or standard input for `-`; read through what `watch` makes
    /// of it.
    pub fn of_argument(
        path: &Path,
        watch: impl FnOnce(Box<dyn Source>) -> Box<dyn Source>,
    ) -> Result<Self, ReadError> {
        match path == Path::new("-") {
            true => Self::new(
                Path::new("standard input"),
                watch(Box::new(OneWay(io::stdin()))),
            ),
            false => Self::new(path, watch(Box::new(file(path)?))),
        }
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
            from: None,
        })
    }

    /// Reads on in a file that grows, up to the last whole line that is there now; through what `watch` makes
    /// of it.
    pub fn go_on(
        path: &Path,
        mut file: File,
        from: Place,
        watch: impl FnOnce(Box<dyn Source>) -> Box<dyn Source>,
    ) -> Result<Self, ReadError> {
        let sought = file.seek(SeekFrom::Start(from.at));
        sought.map_err(|source| ReadError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut reader = Self::new(path, watch(Box::new(Growing(file))))?;
        reader.lines.source().skip(from.skip);
        reader.from = Some(from.at);
        Ok(reader)
    }

    /// Where it goes on when there is more: behind the last whole line.
    pub fn place(&self) -> Place {
        let Place { at, skip } = self.lines.about().line();
        Place {
            at: self.from.unwrap_or(0) + at,
            skip,
        }
    }

    /// Where the bytes end that have been read.
    pub fn seen(&self) -> u64 {
        self.from.unwrap_or(0) + self.lines.about().seen()
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
                Err(stop) => match self.stopped(stop)? {
                    Some(gap) => return Ok(Some(Item::Gap(gap))),
                    None => continue,
                },
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

    /// The next lines, as many as are at hand, for those who want to look at them elsewhere: what
    /// has become of them is told by [`Self::judged`], and after the last one [`Self::end`] has the
    /// last word.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, ReadError> {
        // What is borrowed from a loop can't be returned out of it, so that the loop is before.
        loop {
            match self.lines.ready() {
                Ok(()) => break,
                Err(Stop::Failed(error)) if self.from.is_some() && NothingYet::is(&error) => {
                    return Ok(None);
                }
                Err(stop) => {
                    if let Some(gap) = self.stopped(stop)? {
                        return Ok(Some(Piece::Gap(gap)));
                    }
                }
            }
        }
        Ok(match self.lines.take() {
            Line::Whole(lines) => Some(Piece::Lines(lines)),
            Line::TooLong => {
                self.damage.unreadable += 1;
                Some(Piece::Gap(Gap::default()))
            }
            Line::Torn(bytes) => {
                self.damage.torn_bytes += bytes;
                None
            }
            Line::End => None,
        })
    }

    /// So many of the lines given were records, and so many none.
    pub fn judged(&mut self, records: u64, unreadable: u64) {
        self.records += records;
        self.damage.unreadable += unreadable;
    }

    /// Where what was given and what comes next are not one line; the gap between them, if there is
    /// one.
    fn stopped(&mut self, stop: Stop) -> Result<Option<Gap>, ReadError> {
        match stop {
            Stop::Break => {
                self.damage.torn_bytes += self.lines.forget();
                Ok(self.lines.source().gap())
            }
            Stop::Failed(error) if NothingYet::is(&error) => {
                let damage = self.damage();
                self.lines.source().wait(damage);
                Ok(None)
            }
            Stop::Failed(source) => Err(ReadError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Whether what is at its end was a recording at all.
    pub fn end(&self) -> Result<(), ReadError> {
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
        let strange = match self.lines.about().has_frames() {
            true if damage.bad_frames > 0 => 0,
            true => damage.unreadable,
            // Not one line of text among the bytes.
            false => damage.unreadable + damage.bad_frames,
        };
        match strange {
            0 => Ok(()),
            lines => Err(self.no_recording(lines)),
        }
    }

    fn no_recording(&self, lines: u64) -> ReadError {
        let path = self.path.clone();
        match self.lines.about().foreign() {
            Some(foreign) => {
                let (what, instead) = instead(foreign);
                ReadError::Foreign {
                    path,
                    what,
                    instead,
                }
            }
            None => ReadError::NoRecording { path, lines },
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
