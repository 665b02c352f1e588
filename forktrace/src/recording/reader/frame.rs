//! What a zstd frame says of itself (RFC 8878, 3.1.1): enough to find its end, and what it asks for.

use std::io;

use super::tape::Tape;

/// First bytes of a frame, and of one to be skipped (3.1.2), whose first digit may be any.
pub(super) const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Memory that a frame may ask for: what `zstdcat` gives without options.
pub(super) const LARGEST_WINDOW: u64 = 1 << 27;

/// Bytes of the longest header.
pub(super) const LONGEST_HEADER: usize = 18;

/// Whether something to be skipped begins so.
pub(super) fn is_skippable(head: &[u8]) -> bool {
    head.get(1..4) == Some(&SKIPPABLE) && head[0] & 0xf0 == 0x50
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes, the magic number's among them.
    pub length: usize,
    /// Bytes of memory.
    pub window: u64,
    /// Whether the checksum of the content stands behind the last block.
    pub checksum: bool,
}

impl Header {
    /// `None`: it is cut off, or of no version there is.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let descriptor = *bytes.strip_prefix(&MAGIC)?.first()?;
        let single_segment = descriptor & 0x20 != 0;
        if descriptor & 0x08 != 0 {
            return None;
        }
        let window_bytes = usize::from(!single_segment);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let size = match descriptor >> 6 {
            0 => usize::from(single_segment),
            more => 1 << more,
        };
        let at = MAGIC.len() + 1;
        let size_at = at + window_bytes + dictionary;
        let length = size_at + size;
        let bytes = bytes.get(..length)?;
        let window = match single_segment {
            false => {
                let (exponent, mantissa) = (bytes[at] >> 3, bytes[at] & 7);
                let base = 1_u64 << (10 + exponent);
                base + base / 8 * u64::from(mantissa)
            }
            true => {
                let mut content = [0; 8];
                content[..size].copy_from_slice(&bytes[size_at..]);
                // Two bytes count from 256.
                u64::from_le_bytes(content) + if size == 2 { 256 } else { 0 }
            }
        };
        Some(Self {
            length,
            window,
            checksum: descriptor & 4 != 0,
        })
    }
}

/// Where a frame's blocks lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// To the end of the frame, which is here.
    End,
    /// To the end of everything, between two blocks.
    Open,
    /// To the end of everything, within a block or the checksum.
    Cut,
    /// To what is no block.
    Lost,
}

/// Goes from the frame's first byte to its end, by the sizes of its blocks. Everything ends where the
/// tape does, or at `limit`.
pub(super) fn walk(tape: &mut Tape, header: Header, limit: Option<u64>) -> io::Result<Walk> {
    let limit = limit.unwrap_or(u64::MAX);
    if !skip(tape, header.length as u64, limit)? {
        return Ok(Walk::Cut);
    }
    loop {
        let left = limit.saturating_sub(tape.at());
        let bytes = match left {
            0 => &[],
            _ => tape.peek(3)?,
        };
        let head = match bytes {
            [] => return Ok(Walk::Open),
            [a, b, c, ..] if left >= 3 => u32::from_le_bytes([*a, *b, *c, 0]),
            _ => return Ok(Walk::Cut),
        };
        let (last, kind, size) = (head & 1 == 1, head >> 1 & 3, head >> 3);
        let bytes = match kind {
            // As many times as the size says.
            1 => 1,
            3 => return Ok(Walk::Lost),
            _ if size > 128 << 10 => return Ok(Walk::Lost),
            _ => size,
        };
        if !skip(tape, 3 + u64::from(bytes), limit)? {
            return Ok(Walk::Cut);
        }
        if last {
            let checksum = if header.checksum { 4 } else { 0 };
            return Ok(match skip(tape, checksum, limit)? {
                true => Walk::End,
                false => Walk::Cut,
            });
        }
    }
}

/// False: the end, or `limit`, came first.
pub(super) fn skip(tape: &mut Tape, bytes: u64, limit: u64) -> io::Result<bool> {
    let mut left = bytes;
    if limit.saturating_sub(tape.at()) < left {
        return Ok(false);
    }
    while left > 0 {
        let here = tape.fill()?.len();
        if here == 0 {
            return Ok(false);
        }
        let n = here.min(usize::try_from(left).unwrap_or(usize::MAX));
        tape.consume(n);
        left -= n as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(content: &[u8], set: impl Fn(&mut zstd::Encoder<'_, Vec<u8>>)) -> Vec<u8> {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        set(&mut encoder);
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn ends(frame: &[u8]) -> (Walk, u64) {
        let mut tape = Tape::new(Box::new(io::Cursor::new(frame.to_vec())));
        let end = walk(&mut tape, Header::parse(frame).unwrap(), None).unwrap();
        (end, tape.at())
    }

    #[test]
    fn headers_as_the_library_writes_them() {
        let content: Vec<u8> = (0..300_000_u32)
            .map(|n| (n.wrapping_mul(n) >> 3) as u8)
            .collect();
        for log in [10, 17, 23, 27] {
            for checksum in [true, false] {
                let frame = packed(&content, |e| {
                    e.window_log(log).unwrap();
                    e.include_checksum(checksum).unwrap();
                });
                let header = Header::parse(&frame).unwrap();
                assert_eq!((header.window, header.checksum), (1 << log, checksum));
                assert_eq!(ends(&frame), (Walk::End, frame.len() as u64));
                assert_eq!(ends(&[&frame[..], b"more"].concat()), ends(&frame));
                for cut in (header.length..frame.len()).step_by(9973) {
                    let (end, _) = ends(&frame[..cut]);
                    assert!(matches!(end, Walk::Open | Walk::Cut), "{cut}: {end:?}");
                }
            }
        }
        // One segment: the window is the content.
        for size in [0, 1, 255, 256, 257, 65_791, 65_792, 300_000] {
            let frame = zstd::bulk::compress(&content[..size], 3).unwrap();
            let header = Header::parse(&frame).unwrap();
            assert_eq!(header.window, size as u64);
            assert_eq!(ends(&frame), (Walk::End, frame.len() as u64));
        }
    }
}
