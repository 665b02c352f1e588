//! Compressed recordings: zstd frames (RFC 8878) one after the other, each
//! readable without the others, so that what is damaged costs one of them.

use std::io::{self, BufRead, Read, Seek as _, SeekFrom};

use zstd::stream::read::Decoder;

use super::{FRAME, SKIPPABLE, Source as Inner};

/// A frame may ask for so much memory, as a power of two. forktrace's own ask
/// for far less.
const WINDOW_LOG: u32 = 23;

/// Compressed bytes of a frame that is decompressed twice to have all of what is
/// before the damage. forktrace's own frames are far smaller.
const LARGEST_TWICE: u64 = 4 << 20;

/// Something about the compressed data is wrong; reading goes on behind it.
#[derive(Debug, thiserror::Error)]
#[error("the compressed data is damaged or cut off")]
struct Damaged;

/// Whether an error is damage, after which there may be more to read.
pub fn is_damage(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|e| e.is::<Damaged>())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Damaged)
}

/// Decompresses frame after frame.
pub struct Frames {
    state: State,
    /// Damage was reported, and no whole frame has come since.
    reported: bool,
}

enum State {
    /// Before a frame, or somewhere between two.
    Between(Source),
    Within(Within),
    /// Only while the state changes.
    Gone,
}

/// In a frame.
struct Within {
    decoder: Box<Decoder<'static, Source>>,
    /// Bytes of it that were handed on.
    given: u64,
    /// How many of these come once more.
    again: u64,
}

impl Within {
    fn begin(source: Source, again: u64) -> io::Result<Self> {
        let mut decoder = Decoder::with_buffer(source)?.single_frame();
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(Self {
            decoder: Box::new(decoder),
            given: 0,
            again,
        })
    }

    /// Reads what has not been handed on before.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.again > 0 {
            let most = to
                .len()
                .min(usize::try_from(self.again).unwrap_or(usize::MAX));
            match self.decoder.read(&mut to[..most])? {
                0 => return Ok(0),
                n => self.again -= n as u64,
            }
        }
        let n = self.decoder.read(to)?;
        self.given += n as u64;
        Ok(n)
    }
}

impl Frames {
    /// From where the source stands.
    pub fn new(source: Inner) -> Self {
        Self {
            state: State::Between(Source {
                back: Vec::new(),
                inner: source,
                at: 0,
                frame: 0,
                bytewise: false,
            }),
            reported: false,
        }
    }
}

impl Read for Frames {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.state, State::Gone) {
                State::Between(mut source) => {
                    let found = next_frame(&mut source, &mut self.reported);
                    match found {
                        Ok(true) => {
                            source.bytewise = false;
                            self.state = State::Within(Within::begin(source, 0)?);
                        }
                        Ok(false) => {
                            self.state = State::Between(source);
                            return Ok(0);
                        }
                        Err(error) => {
                            self.state = State::Between(source);
                            return Err(error);
                        }
                    }
                }
                State::Within(mut within) => match within.read(to) {
                    Ok(0) => self.state = State::Between(within.decoder.finish()),
                    Ok(n) => {
                        self.state = State::Within(within);
                        return Ok(n);
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        self.state = State::Within(within);
                        return Err(error);
                    }
                    // The library's errors and the file's come as one type; the
                    // file's have a number of the system's.
                    Err(error) if error.raw_os_error().is_some() => {
                        self.state = State::Within(within);
                        return Err(error);
                    }
                    Err(_) => {
                        let mut source = within.decoder.finish();
                        // What the library had decompressed before it came to
                        // the damage is lost with its answer, unless it is fed
                        // by the byte.
                        let first = !source.bytewise && source.of_frame() < LARGEST_TWICE;
                        if first && source.back_to_the_frame(0) {
                            source.bytewise = true;
                            self.state = State::Within(Within::begin(source, within.given)?);
                            continue;
                        }
                        source.back_to_the_frame(FRAME.len() as u64);
                        source.bytewise = false;
                        self.reported = true;
                        self.state = State::Between(source);
                        return Err(damaged());
                    }
                },
                State::Gone => unreachable!("the state is put back before every return"),
            }
        }
    }
}

/// Goes to where the next frame begins: here, unless something was damaged.
/// False at the end; an error once for whatever is passed over, unless it was
/// reported.
fn next_frame(source: &mut Source, reported: &mut bool) -> io::Result<bool> {
    let mut head = [0; 4];
    let mut read = 0;
    let mut strange = false;
    loop {
        while read < head.len() {
            let Some(byte) = source.byte()? else {
                let news = (strange || read > 0) && !*reported;
                *reported |= news;
                return if news { Err(damaged()) } else { Ok(false) };
            };
            head[read] = byte;
            read += 1;
        }
        if is_head(head) {
            source.frame = source.at - head.len() as u64;
            source.put_back(&head);
            if strange && !*reported {
                *reported = true;
                return Err(damaged());
            }
            *reported = false;
            return Ok(true);
        }
        strange = true;
        head.rotate_left(1);
        read = head.len() - 1;
    }
}

/// Whether a frame, or one to be skipped, begins with these bytes.
fn is_head(bytes: [u8; 4]) -> bool {
    bytes == FRAME || (bytes[1..] == SKIPPABLE && (0x50..=0x5f).contains(&bytes[0]))
}

/// A source to which the few bytes can be given back that were looked at.
struct Source {
    back: Vec<u8>,
    inner: Inner,
    /// Bytes taken from `inner`.
    at: u64,
    /// Where the frame begins that is being read.
    frame: u64,
    /// Gives a byte at a time.
    bytewise: bool,
}

impl Source {
    fn byte(&mut self) -> io::Result<Option<u8>> {
        let byte = self.fill_buf()?.first().copied();
        if byte.is_some() {
            self.consume(1);
        }
        Ok(byte)
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.back.splice(..0, bytes.iter().copied());
    }

    /// Bytes taken since the frame began.
    fn of_frame(&self) -> u64 {
        self.at - self.frame
    }

    /// Back into the damaged frame, which can have been read far beyond its end.
    /// What can't go back (a pipe) goes on where it is.
    fn back_to_the_frame(&mut self, offset: u64) -> bool {
        let to = self.frame + offset;
        let there = self.inner.seek(SeekFrom::Start(to)).is_ok();
        if there {
            self.at = to;
            self.back.clear();
        }
        there
    }
}

impl Read for Source {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let from = self.fill_buf()?;
        let n = from.len().min(to.len());
        to[..n].copy_from_slice(&from[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let all = if self.back.is_empty() {
            self.inner.fill_buf()?
        } else {
            &self.back
        };
        Ok(if self.bytewise {
            &all[..all.len().min(1)]
        } else {
            all
        })
    }

    fn consume(&mut self, n: usize) {
        if self.back.is_empty() {
            self.inner.consume(n);
            self.at += n as u64;
        } else {
            self.back.drain(..n);
        }
    }
}
