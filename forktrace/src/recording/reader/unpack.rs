//! Decompressing a frame, a block at a time: what was decompressed before damage is there.

use std::io;

use zstd::stream::raw::{Decoder, InBuffer, Operation as _, OutBuffer};

use super::tape::Tape;

/// Bytes that a block holds at most.
const BLOCK: usize = 128 << 10;
/// What the library has to see to begin with.
const FIRST: usize = 5;

/// How far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There may be more of it.
    On,
    /// The frame ended, and its checksum, if it has one, holds.
    End,
    /// What there is of it ended before.
    Cut,
    /// It is damaged; up to here it was read.
    Bad(u64),
}

/// Decompresses one frame after the other.
pub(super) struct Unpacker {
    decoder: Decoder<'static>,
    /// Bytes that the next step wants.
    wanted: usize,
}

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            decoder: Decoder::new()?,
            wanted: FIRST,
        })
    }

    /// The next step is of a frame's beginning.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.wanted = FIRST;
        self.decoder.reinit()
    }

    /// Appends a block or less. The frame's bytes end where the tape does, or at `limit`.
    pub(super) fn step(
        &mut self,
        tape: &mut Tape,
        limit: Option<u64>,
        to: &mut Vec<u8>,
    ) -> io::Result<Step> {
        let at = tape.at();
        let left = limit.map_or(u64::MAX, |limit| limit.saturating_sub(at));
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let there = match left {
            0 => &[],
            _ => tape.fill()?,
        };
        let there = &there[..there.len().min(self.wanted).min(left)];
        let fed = there.len();
        if fed == 0 {
            return Ok(Step::Cut);
        }
        to.reserve(BLOCK);
        let before = to.len();
        let mut input = InBuffer::around(there);
        let mut output = OutBuffer::around_pos(to, before);
        let answer = self.decoder.run(&mut input, &mut output);
        let (read, written) = (input.pos(), output.pos() - before);
        Ok(match answer {
            Ok(wanted) => {
                tape.consume(read);
                self.wanted = wanted.max(1);
                match wanted {
                    0 => Step::End,
                    _ if read + written == 0 => Step::Bad(at + fed as u64),
                    _ => Step::On,
                }
            }
            Err(_) => Step::Bad(at + fed as u64),
        })
    }
}
