//! Lines of bounded length.

use super::content::{Content, Stop};

/// A record of forktrace is a few KiB, with every level of every limit some
/// 40 KiB. A line beyond this isn't one, and isn't kept.
pub(super) const LONGEST: usize = 1 << 20;

/// What comes next.
pub(super) enum Line<'a> {
    /// Without its newline.
    Whole(&'a [u8]),
    /// Passed over.
    TooLong,
    /// The end has this number of bytes without a newline.
    Torn(u64),
    End,
}

/// Where bytes come from.
pub(super) trait Bytes {
    /// What comes next; nothing at the end. The same again until some of it is consumed.
    fn fill(&mut self) -> Result<&[u8], Stop>;
    fn consume(&mut self, bytes: usize);
    /// A line begins where it stands.
    fn begin_line(&mut self) {}
}

impl Bytes for Content {
    fn fill(&mut self) -> Result<&[u8], Stop> {
        self.fill()
    }

    fn consume(&mut self, bytes: usize) {
        self.consume(bytes);
    }

    fn begin_line(&mut self) {
        self.begin_line();
    }
}

/// Cuts a stream into lines.
pub(super) struct Lines<B> {
    source: B,
    line: Vec<u8>,
    /// Bytes of the line so far, kept or not.
    length: u64,
    /// Bytes of the source that were given away and are done with by the next call.
    given: usize,
    waits: Waits,
}

/// What was made ready.
enum Waits {
    /// So many bytes of the source.
    Lines(usize),
    /// The one that was put together.
    Line,
    End,
}

impl<B: Bytes> Lines<B> {
    pub(super) fn new(source: B) -> Self {
        Self {
            source,
            line: Vec::new(),
            length: 0,
            given: 0,
            waits: Waits::End,
        }
    }

    /// Bytes of memory that the line takes.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.line.capacity()
    }

    /// Gives the line up that an error has cut in two; how many bytes of it there were.
    pub(super) fn forget(&mut self) -> u64 {
        self.line.clear();
        self.source.begin_line();
        std::mem::take(&mut self.length)
    }

    /// Where the lines come from.
    pub(super) fn source(&mut self) -> &mut B {
        &mut self.source
    }

    /// The same, to be asked.
    pub(super) fn about(&self) -> &B {
        &self.source
    }

    /// Until there are whole lines, or the end: what [`Self::take`] gives then. After an error it can
    /// be called again.
    pub(super) fn ready(&mut self) -> Result<(), Stop> {
        self.consume_given();
        if self.length == 0 {
            self.line.clear();
        }
        self.waits = loop {
            let part = self.source.fill()?;
            if part.is_empty() {
                break Waits::End;
            }
            if self.length == 0
                && let Some(end) = memchr::memrchr(b'\n', part)
            {
                // Nearly always: they are given as they are.
                break Waits::Lines(end + 1);
            }
            if self.extend()? {
                break Waits::Line;
            }
        };
        Ok(())
    }

    /// What was made ready, several lines as one; the last one's newline may be missing.
    pub(super) fn take(&mut self) -> Line<'_> {
        match std::mem::replace(&mut self.waits, Waits::End) {
            Waits::Lines(bytes) => {
                self.given = bytes;
                // It has been read already.
                match self.source.fill() {
                    Ok(part) => Line::Whole(&part[..bytes]),
                    Err(_) => Line::End,
                }
            }
            Waits::Line => self.taken(),
            Waits::End => self.end(),
        }
    }

    /// The next line. After an error it can be called again.
    pub(super) fn next(&mut self) -> Result<Line<'_>, Stop> {
        self.consume_given();
        if self.length == 0 {
            self.line.clear();
        }
        loop {
            let part = self.source.fill()?;
            if part.is_empty() {
                return Ok(self.end());
            }
            if self.length == 0
                && let Some(end @ ..=LONGEST) = memchr::memchr(b'\n', part)
            {
                // Nearly every line: it is there as a whole, and isn't copied. What has been
                // read already is given again, which takes nothing.
                self.given = end + 1;
                return Ok(Line::Whole(&self.source.fill()?[..end]));
            }
            if self.extend()? {
                return Ok(self.taken());
            }
        }
    }

    fn consume_given(&mut self) {
        let given = std::mem::take(&mut self.given);
        self.source.consume(given);
        if given > 0 {
            self.source.begin_line();
        }
    }

    /// Adds what is at hand to the line; whether that ended it.
    fn extend(&mut self) -> Result<bool, Stop> {
        let part = self.source.fill()?;
        let end = memchr::memchr(b'\n', part);
        let taken = end.unwrap_or(part.len());
        self.length += taken as u64;
        if self.length <= LONGEST as u64 {
            self.line.extend_from_slice(&part[..taken]);
        }
        self.source.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            self.source.begin_line();
        }
        Ok(end.is_some())
    }

    /// The line that has ended.
    fn taken(&mut self) -> Line<'_> {
        let length = std::mem::take(&mut self.length);
        if length > LONGEST as u64 {
            // Nor is the memory kept.
            self.line = Vec::new();
            return Line::TooLong;
        }
        Line::Whole(&self.line)
    }

    fn end(&mut self) -> Line<'_> {
        match std::mem::take(&mut self.length) {
            0 => Line::End,
            torn => Line::Torn(torn),
        }
    }
}
