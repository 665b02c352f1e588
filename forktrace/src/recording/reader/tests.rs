use std::io::{Read as _, Write as _};

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
        // Between two blocks it could be one that is still being written.
        let torn = u64::from(!ends.contains(&cut));
        assert_eq!(damage.bad_frames + damage.open_frames, torn, "cut at {cut}");
    }
}

#[test]
fn a_stream_that_is_still_being_written_gives_what_was_flushed() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(&lines(3)).unwrap();
    encoder.flush().unwrap();
    let (counts, damage) = read(encoder.get_ref()).unwrap();
    assert_eq!(counts, [1, 2, 3]);
    let open = Damage {
        open_frames: 1,
        ..Damage::default()
    };
    assert_eq!(damage, open);
    assert!(!damage.lost_records());
}

#[test]
fn damage_in_one_frame_costs_that_frame() {
    let (whole, ends) = frames(4);
    for at in ends[1]..ends[2] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        let (counts, damage) = read(&bytes).unwrap();
        assert_eq!(counts, [1, 3, 4], "byte {at}");
        // One byte says how much memory it asks for.
        let lost = damage.bad_frames + damage.refused_frames;
        assert_eq!(lost, 1, "byte {at}: {damage:?}");
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

/// Packed by mistake: by what, and what to do.
#[test]
fn what_other_programs_have_made_of_a_recording_is_named() {
    let utf16: Vec<u8> = std::iter::once(0xfeff)
        .chain(String::from_utf8(lines(1)).unwrap().encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let gzip = [b"\x1f\x8b\x08\0".to_vec(), vec![0xe7; 3000]].concat();
    let xz = [b"\xfd7zXZ\0".to_vec(), vec![0xe7; 3000]].concat();
    for (bytes, instead) in [(gzip, "`gzip -dc`"), (xz, "`xz -dc`"), (utf16, "`iconv")] {
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, ReadError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains(instead), "{error}");
    }
    // A line that begins so is no file that does.
    let behind = [lines(1), b"\x1f\x8b\x08\n".to_vec()].concat();
    let (counts, damage) = read(&behind).unwrap();
    assert_eq!((counts.len(), damage.unreadable), (1, 1));
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

/// A frame with this window, of lines and of what fills it.
fn with_window(log: u32, lines: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(log).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(lines).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_zstdcat_reads_without_options_is_read() {
    for log in [23, 24, 27] {
        let bytes = with_window(log, &lines(3));
        assert_eq!(read(&bytes).unwrap(), (vec![1, 2, 3], Damage::default()));
    }
}

#[test]
fn a_frame_that_asks_for_more_is_named_and_the_others_are_read() {
    let large = with_window(28, &lines(1));
    let error = read(&large).unwrap_err();
    assert!(matches!(error, ReadError::Window { window, .. } if window == 1 << 28));
    assert!(error.to_string().contains("256 MiB"), "{error}");
    let (counts, damage) = read(&[&large[..], &frames(2).0, &large].concat()).unwrap();
    assert_eq!(counts, [1, 2]);
    assert_eq!((damage.refused_frames, damage.largest_window), (2, 1 << 28));
    assert!(!damage.lost_records());
}

/// One frame of many lines, as other programs make it.
fn one_frame(count: u64, checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(checksum).unwrap();
    encoder.write_all(&lines(count)).unwrap();
    encoder.finish().unwrap()
}

fn through_a_pipe(bytes: &[u8]) -> (Vec<u64>, Damage) {
    let source = Box::new(OneWay(io::Cursor::new(bytes.to_vec())));
    let mut reader = Reader::new(Path::new("test"), source).unwrap();
    let mut counts = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        match record {
            Record::Loss(loss) => counts.push(loss.count),
            other => panic!("{other:?}"),
        }
    }
    (counts, reader.damage())
}

#[test]
fn a_frame_that_is_larger_than_what_waits_is_believed_as_any_other() {
    const MANY: u64 = 16_000;
    let all: Vec<u64> = (1..=MANY).collect();
    let small = frames(1).0;
    for checksum in [true, false] {
        let frame = one_frame(MANY, checksum);
        let file = [&small[..], &frame, &small].concat();
        let wanted = [&[1][..], &all, &[1]].concat();
        assert_eq!(read(&file).unwrap(), (wanted.clone(), Damage::default()));
        assert_eq!(through_a_pipe(&file), (wanted, Damage::default()));
        // Cut off, what there is of it is read.
        let (cut, damage) = read(&frame[..frame.len() / 2]).unwrap();
        assert!(cut.len() > 1000 && all.starts_with(&cut));
        assert_eq!(damage.bad_frames, 1);
        assert_eq!(through_a_pipe(&frame[..frame.len() / 2]), (cut, damage));
    }
    // Nothing of it is given when its checksum doesn't hold.
    let mut frame = one_frame(MANY, true);
    let last = frame.len() - 1;
    frame[last] ^= 1;
    let file = [&small[..], &frame, &small].concat();
    let wanted = Damage {
        bad_frames: 1,
        lost_lines: MANY,
        ..Damage::default()
    };
    assert_eq!(read(&file).unwrap(), (vec![1, 1], wanted));
    assert_eq!(through_a_pipe(&file), (vec![1, 1], wanted));
}

/// More than what stays in memory, compressed: a pipe's goes to disk until it is checked.
#[test]
fn a_large_frame_comes_through_a_pipe() {
    let mut text = Vec::new();
    let mut n = 1_u64;
    for _ in 0..40_000 {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        write_line(&mut text, &record(n >> 1)).unwrap();
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(&text).unwrap();
    let mut frame = encoder.finish().unwrap();
    // It holds a megabyte only where numbers are hard to compress.
    let file = [&frame[..], &frame, &frames(1).0].concat();
    let (counts, damage) = through_a_pipe(&file);
    assert_eq!((counts.len(), damage), (80_001, Damage::default()));
    assert_eq!(read(&file).unwrap(), (counts, damage));
    let middle = frame.len() / 2;
    frame[middle] ^= 0x10;
    let file = [&frame[..], &frames(1).0].concat();
    let (counts, damage) = through_a_pipe(&file);
    assert_eq!((counts, damage.bad_frames), (vec![1], 1));
}

#[test]
fn plain_and_compressed_follow_each_other() {
    let (packed, _) = frames(2);
    let plain = lines(2);
    for parts in [
        vec![&plain, &packed],
        vec![&packed, &plain],
        vec![&packed, &plain, &packed, &packed, &plain, &plain],
    ] {
        let (counts, damage) =
            read(&parts.iter().copied().flatten().copied().collect::<Vec<_>>()).unwrap();
        assert_eq!(counts, [1, 2].repeat(parts.len()));
        assert_eq!(damage, Damage::default());
    }
    // The first was cut off: what is left of its line doesn't become a part of the next.
    for cut in 1..plain.len() {
        let (counts, damage) = read(&[&plain[..cut], &packed].concat()).unwrap();
        let whole = plain[..cut].iter().filter(|b| **b == b'\n').count() as u64;
        assert_eq!(
            counts,
            (1..=whole).chain([1, 2]).collect::<Vec<_>>(),
            "{cut}"
        );
        assert_eq!(damage.torn_bytes > 0, plain[cut - 1] != b'\n', "{cut}");
    }
}

#[test]
fn what_other_systems_write_around_lines_is_no_damage() {
    let plain = String::from_utf8(lines(3)).unwrap();
    let bom = format!("\u{feff}{plain}");
    let crlf = plain.replace('\n', "\r\n");
    let blank = format!("\n\n{}\n \t\r\n", plain.replace('\n', "\n\n"));
    for text in [&bom, &crlf, &blank, &format!("{bom}{bom}")] {
        let whole = [
            text.as_bytes().to_vec(),
            zstd::encode_all(text.as_bytes(), 1).unwrap(),
        ];
        for bytes in whole {
            let (counts, damage) = read(&bytes).unwrap();
            assert_eq!(counts, [1, 2, 3].repeat(counts.len() / 3), "{text:?}");
            assert_eq!(damage, Damage::default(), "{text:?}");
        }
    }
}

#[test]
fn damage_at_the_first_byte_costs_a_frame_and_not_the_file() {
    let (whole, ends) = frames(5);
    for bit in 0..8 {
        let mut bytes = whole.clone();
        bytes[0] ^= 1 << bit;
        let (counts, damage) = read(&bytes).unwrap();
        assert_eq!(counts, [2, 3, 4, 5]);
        assert_eq!(damage.bad_frames, 1);
    }
    for before in [&[0; 16][..], &[0xff; 5000]] {
        let (counts, damage) = read(&[before, &whole].concat()).unwrap();
        assert_eq!(counts, [1, 2, 3, 4, 5]);
        assert_eq!(damage.bad_frames, 1);
        let middle = [&whole[..ends[2]], before, &whole[ends[2]..]].concat();
        let (counts, damage) = read(&middle).unwrap();
        assert_eq!(counts, [1, 2, 3, 4, 5]);
        assert_eq!(damage.bad_frames, 1);
        let plain = [before, b"\n", &lines(5)].concat();
        let (counts, damage) = read(&plain).unwrap();
        assert!(counts.ends_with(&[1, 2, 3, 4, 5]));
        assert!(damage.lost_records());
    }
}

/// A crash left a frame without an end, and somebody began the next behind it.
#[test]
fn what_a_crash_left_of_a_frame_is_read_though_others_follow() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    let mut ends = Vec::new();
    for line in lines(3).split_inclusive(|b| *b == b'\n') {
        encoder.write_all(line).unwrap();
        encoder.flush().unwrap();
        ends.push(encoder.get_ref().len());
    }
    let whole = encoder.finish().unwrap();
    let next = frames(2).0;
    for cut in ends[0]..whole.len() {
        let (counts, damage) = read(&[&whole[..cut], &next].concat()).unwrap();
        let there = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(
            counts,
            (1..=there).chain([1, 2]).collect::<Vec<_>>(),
            "{cut}"
        );
        let at_an_end = ends.contains(&cut);
        assert_eq!(damage.bad_frames, u64::from(!at_an_end), "{cut}");
        assert_eq!(damage.open_frames, u64::from(at_an_end), "{cut}");
    }
}

/// Of a frame that is not believed the lines are counted, and the session is known that they were of.
#[test]
fn a_gap_says_how_many_lines_and_whose() {
    let fixture = include_bytes!("../../../tests/data/schema-1.ndjson");
    let mut bytes = zstd::Encoder::new(Vec::new(), 1).unwrap();
    bytes.include_checksum(true).unwrap();
    bytes.write_all(fixture).unwrap();
    let mut bytes = bytes.finish().unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let source = Box::new(io::Cursor::new(bytes));
    let mut reader = Reader::new(Path::new("test"), source).unwrap();
    let Some(Item::Gap(gap)) = reader.next().unwrap() else {
        panic!("nothing of it is given");
    };
    assert_eq!(gap.lines, 102);
    assert_eq!(gap.session.unwrap().version, "0.1.0");
    assert_eq!(reader.next().unwrap(), None);
    assert_eq!(reader.damage().lost_lines, 102);
}
