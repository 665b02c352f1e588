//! A source that can be gone back to: to the place that was marked last.
//!
//! A file is sought in. Of a pipe what came since the mark is kept: up to [`KEPT`] bytes in memory,
//! more in a temporary file without a name.

use std::{
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
};

use super::{
    Damage,
    source::{NothingYet, Source},
};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;
/// Bytes behind the mark that stay in memory.
const KEPT: usize = 1 << 20;

/// The source, where it stands, and what of it is at hand.
pub(super) struct Tape {
    source: Box<dyn Source>,
    /// Where the source's own beginning is; `None` for a pipe.
    base: Option<u64>,
    buffer: Vec<u8>,
    /// Of the buffer: how much of it was read, and where reading stands. What is behind is whatever was
    /// there before, so that it needs not be cleared each time.
    filled: usize,
    from: usize,
    /// Where reading stands.
    at: u64,
    mark: Option<u64>,
    /// Bytes that were taken from a pipe.
    taken: u64,
    spool: Option<Spool>,
}

/// A pipe's bytes since some mark, on disk.
struct Spool {
    file: File,
    start: u64,
}

impl Tape {
    pub(super) fn new(mut source: Box<dyn Source>) -> Self {
        Self {
            base: source.stream_position().ok(),
            source,
            buffer: Vec::new(),
            filled: 0,
            from: 0,
            at: 0,
            mark: None,
            taken: 0,
            spool: None,
        }
    }

    /// Where reading stands, from the beginning.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// What is at hand; at least a byte, unless the end is reached.
    pub(super) fn fill(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    /// At least so many bytes, unless the end comes first.
    pub(super) fn peek(&mut self, least: usize) -> io::Result<&[u8]> {
        while self.filled - self.from < least {
            if self.more()? == 0 {
                break;
            }
        }
        Ok(self.at_hand())
    }

    /// As [`Self::peek`]; what a followed file doesn't have yet is not waited for.
    pub(super) fn peek_now(&mut self, least: usize) -> io::Result<&[u8]> {
        match self.peek(least) {
            Err(error) if !NothingYet::is(&error) => Err(error),
            _ => Ok(self.at_hand()),
        }
    }

    /// Waits until there may be more in a file that is followed.
    pub(super) fn wait(&mut self, damage: Damage) {
        self.source.wait(damage);
    }

    /// What is at hand already.
    pub(super) fn at_hand(&self) -> &[u8] {
        &self.buffer[self.from..self.filled]
    }

    /// Goes on; not beyond what is at hand.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.from += bytes;
        self.at += bytes as u64;
    }

    /// To here it can be gone back from now on, and to no place before.
    pub(super) fn mark(&mut self) {
        self.mark = Some(self.at);
        let end = self.end();
        if end == self.taken {
            // What is behind the mark is in the buffer.
            self.spool = None;
        }
    }

    /// Nothing need be kept.
    pub(super) fn unmark(&mut self) {
        self.mark = None;
    }

    /// Whether it can be gone back to a place.
    pub(super) fn reaches(&self, to: u64) -> bool {
        self.base.is_some() || self.mark.is_some_and(|mark| mark <= to)
    }

    /// Goes to a place that is not before the mark and not behind what was read.
    pub(super) fn rewind(&mut self, to: u64) -> io::Result<()> {
        let first = self.at - self.from as u64;
        if (first..=self.end()).contains(&to) {
            self.from = (to - first) as usize;
        } else {
            if let Some(base) = self.base {
                self.source.seek(SeekFrom::Start(base + to))?;
            }
            self.filled = 0;
            self.from = 0;
        }
        self.at = to;
        Ok(())
    }

    /// Where the bytes end that have been read.
    pub(super) fn end(&self) -> u64 {
        self.at + (self.filled - self.from) as u64
    }

    /// Reads more behind what is in the buffer.
    fn more(&mut self) -> io::Result<usize> {
        self.make_room()?;
        let end = self.end();
        let old = self.filled;
        if self.buffer.len() < old + CHUNK {
            self.buffer.resize(old + CHUNK, 0);
        }
        let to = &mut self.buffer[old..old + CHUNK];
        let read = match &self.spool {
            Some(spool) if end < self.taken => {
                let most = to.len().min((self.taken - end) as usize);
                spool.file.read_at(&mut to[..most], end - spool.start)
            }
            _ => read(&mut *self.source, to),
        };
        let bytes = *read.as_ref().unwrap_or(&0);
        self.filled = old + bytes;
        read?;
        if self.base.is_none() && end == self.taken {
            self.taken += bytes as u64;
            if let Some(spool) = &mut self.spool {
                spool
                    .file
                    .write_all(&self.buffer[old..self.filled])
                    .map_err(spooling)?;
            }
        }
        Ok(bytes)
    }

    /// Drops what need not be kept in memory.
    fn make_room(&mut self) -> io::Result<()> {
        let first = self.at - self.from as u64;
        let marked = self.mark.map_or(self.from, |mark| {
            usize::try_from(mark.saturating_sub(first)).unwrap_or(usize::MAX)
        });
        let mut keep = marked.min(self.from);
        if self.filled - keep > KEPT {
            if self.base.is_none() && self.spool.is_none() {
                let mut file = tempfile::tempfile().map_err(spooling)?;
                file.write_all(&self.buffer[keep..self.filled])
                    .map_err(spooling)?;
                let start = first + keep as u64;
                self.spool = Some(Spool { file, start });
            }
            keep = self.from;
        }
        self.buffer.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.from -= keep;
        Ok(())
    }
}

fn read(source: &mut dyn Source, to: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(to) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn spooling(error: io::Error) -> io::Error {
    let text = format!(
        "a large compressed frame that comes through a pipe is kept in a temporary file until its \
         checksum is known: {error}"
    );
    io::Error::new(error.kind(), text)
}

#[cfg(test)]
mod tests {
    use super::{super::source::OneWay, *};

    /// Whatever the sizes: what is read after going back is what was read before.
    #[test]
    fn goes_back_in_files_and_pipes() {
        let bytes: Vec<u8> = (0..5_u32 << 20).map(|n| ((n * 31) >> 7) as u8).collect();
        for pipe in [false, true] {
            let source = io::Cursor::new(bytes.clone());
            let source: Box<dyn Source> = match pipe {
                true => Box::new(OneWay(source)),
                false => Box::new(source),
            };
            let mut tape = Tape::new(source);
            let take = |tape: &mut Tape, count: usize| {
                let mut left = count;
                while left > 0 {
                    let at = tape.at() as usize;
                    let part = tape.fill().unwrap();
                    let n = part.len().min(left);
                    assert_eq!(part[..n], bytes[at..at + n], "{at}");
                    tape.consume(n);
                    left -= n;
                }
            };
            take(&mut tape, 1000);
            for length in [10, 300_000, 2_500_000] {
                tape.mark();
                let mark = tape.at();
                take(&mut tape, length);
                tape.rewind(mark).unwrap();
                take(&mut tape, length / 2);
                tape.rewind(mark + 7).unwrap();
                take(&mut tape, length);
                tape.rewind(mark + 5).unwrap();
            }
            // A mark within what is on disk.
            tape.mark();
            take(&mut tape, 100);
            tape.rewind(tape.at() - 100).unwrap();
            let rest = bytes.len() - tape.at() as usize;
            take(&mut tape, rest);
            assert_eq!(tape.fill().unwrap(), b"");
            assert!(tape.buffer.len() <= KEPT + 2 * CHUNK);
        }
    }
}
