use std::io::Write as _;

use super::*;
use crate::record::{Loss, write_line};

fn record(n: u64) -> Record {
    Record::Loss(Loss {
        count: n,
        since: "2026-01-01T00:00:00Z".to_owned(),
        reason: crate::model::LossReason::RingFull,
    })
}

fn lines(count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 1..=count {
        write_line(&mut bytes, &record(n)).unwrap();
    }
    bytes
}

/// Each of the lines in a frame of its own, and where each frame ends.
fn frames(count: u64) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    let mut ends = vec![0];
    for n in 1..=count {
        let mut encoder = zstd::Encoder::new(bytes, 1).unwrap();
        encoder.include_checksum(true).unwrap();
        let mut line = Vec::new();
        write_line(&mut line, &record(n)).unwrap();
        encoder.write_all(&line).unwrap();
        bytes = encoder.finish().unwrap();
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn read(bytes: &[u8]) -> Result<(Vec<u64>, Damage), ReadError> {
    let source = Box::new(io::Cursor::new(bytes.to_vec()));
    let mut reader = Reader::new(Path::new("test"), source)?;
    let mut counts = Vec::new();
    while let Some(record) = reader.read()? {
        match record {
            Record::Loss(loss) => counts.push(loss.count),
            other => panic!("{other:?}"),
        }
    }
    Ok((counts, reader.damage()))
}

#[test]
fn cut_at_every_byte_each_whole_record_is_read() {
    let bytes = lines(5);
    for cut in 0..=bytes.len() {
        let (counts, damage) = read(&bytes[..cut]).unwrap();
        let whole = bytes[..cut].iter().filter(|b| **b == b'\n').count() as u64;
        assert_eq!(counts, (1..=whole).collect::<Vec<_>>(), "cut at {cut}");
        let torn = cut
            - bytes[..cut]
                .iter()
                .rposition(|b| *b == b'\n')
                .map_or(0, |at| at + 1);
        assert_eq!(damage.torn_bytes, torn as u64, "cut at {cut}");
        assert_eq!(damage.unreadable, 0);
    }
}

#[test]
fn compressed_and_cut_at_every_byte_each_whole_frame_is_read() {
    let (bytes, ends) = frames(5);
    for cut in 0..=bytes.len() {
        // What is shorter than a frame's head is no compressed file.
        if cut < 4 && cut > 0 {
            continue;
        }
        let (counts, damage) = read(&bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64 - 1;
        for n in 1..=whole {
            assert!(counts.contains(&n), "cut at {cut}: {counts:?}");
        }
        let torn = u64::from(!ends.contains(&cut));
        assert_eq!(damage.bad_frames, torn, "cut at {cut}");
    }
}

#[test]
fn a_stream_that_is_still_being_written_gives_what_was_flushed() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(&lines(3)).unwrap();
    encoder.flush().unwrap();
    let (counts, damage) = read(encoder.get_ref()).unwrap();
    assert_eq!(counts, [1, 2, 3]);
    assert_eq!(damage.bad_frames, 1);
}

#[test]
fn damage_in_one_frame_costs_that_frame() {
    let (whole, ends) = frames(4);
    for at in ends[1]..ends[2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let (counts, damage) = read(&bytes).unwrap();
        for n in [1, 3, 4] {
            assert!(counts.contains(&n), "byte {at}: {counts:?}");
        }
        assert!(damage.is_any(), "byte {at}");
    }
}

#[test]
fn any_flipped_byte_costs_two_records_at_most() {
    let bytes = lines(4);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x20, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            // A newline less joins two lines.
            let (counts, _) = read(&bytes).unwrap();
            assert!(counts.len() >= 2, "byte {at} ^ {flip:#x}: {counts:?}");
        }
    }
}

#[test]
fn what_is_no_recording_says_so() {
    for foreign in ["hello\nworld\n", "{}\n", "\x7fELF\n\n"] {
        assert!(
            matches!(read(foreign.as_bytes()), Err(ReadError::NoRecording { .. })),
            "{foreign:?}"
        );
    }
    assert_eq!(read(b"").unwrap(), (vec![], Damage::default()));
}

#[test]
fn a_line_without_end_is_not_kept() {
    // 64 MiB of nothing, then a record: what is read never holds more than a
    // line's limit.
    let endless = io::repeat(b'x').take(64 << 20);
    let rest = io::Cursor::new([b"\n".to_vec(), lines(1)].concat());
    let mut reader = Reader::new(Path::new("test"), Box::new(OneWay(endless.chain(rest)))).unwrap();
    assert_eq!(reader.read().unwrap(), Some(record(1)));
    assert_eq!(reader.damage().unreadable, 1);
    assert!(reader.lines.held() <= lines::LONGEST * 2);
}

#[test]
fn a_frame_that_asks_for_gigabytes_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&lines(1)).unwrap();
    let bytes = encoder.finish().unwrap();
    let (counts, damage) = read(&bytes).unwrap();
    assert_eq!(counts, [] as [u64; 0]);
    assert!(damage.bad_frames >= 1);
}
