//! Whatever is in a file: reading it ends, nothing panics, every whole line that
//! is a record is read, and what is printed of it holds nothing that a terminal
//! acts upon.

use std::{
    io::{Cursor, Write as _},
    path::Path,
};

use forktrace::{
    record::{Record, parse_line, write_line},
    recording::{Filter, ReadError, Reader, Wanted},
    report::Aggregator,
    view::{Screen, Verbosity, is_harmful, report_page, report_text},
};

/// Lines that a frame of the compressed form holds.
const LINES_OF_FRAME: usize = 3;

/// Takes one input.
pub(crate) fn take(data: &[u8]) {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    match how % 4 {
        // As it is: plain, or whatever its first bytes say.
        0 | 1 => {
            let read = read(data);
            // What begins as text is plain, up to where a frame may begin.
            let text = data.first() == Some(&b'{');
            let frame = data.windows(4).any(|four| four == [0x28, 0xb5, 0x2f, 0xfd]);
            if text && !frame {
                assert_eq!(read.len(), records(data), "of plain lines");
            }
            sum_up(data);
        }
        // Compressed, whole.
        2 => assert_eq!(read(&frames(data)).len(), records(data), "of frames"),
        // Compressed, and then something happens to it.
        _ => {
            let [what, at, other, by, data @ ..] = data else {
                return;
            };
            let whole = frames(data);
            let written = read(&whole);
            let damaged = damage(&whole, *what, u16::from_be_bytes([*at, *other]), *by);
            // The checksums tell what was not written.
            for line in read(&damaged) {
                assert!(written.contains(&line), "altered: {line:?}");
            }
        }
    }
}

/// A byte that is another, a hole, a part that is missing, comes again or before the rest.
fn damage(whole: &[u8], what: u8, at: u16, by: u8) -> Vec<u8> {
    let at = usize::from(at) % whole.len().max(1);
    let end = whole.len().min(at + usize::from(by) + 1);
    let (before, part, rest) = (&whole[..at], &whole[at..end], &whole[end..]);
    match what % 6 {
        0 => {
            let mut bytes = whole.to_vec();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << (by % 8);
            }
            bytes
        }
        1 => [before, &vec![0; part.len()], rest].concat(),
        2 => [before, rest].concat(),
        3 => [before, part, part, rest].concat(),
        4 => [rest, part, before].concat(),
        _ => before.to_vec(),
    }
}

/// Reads all there is, and prints it: the records, as lines.
fn read(data: &[u8]) -> Vec<Vec<u8>> {
    let source = Box::new(Cursor::new(data.to_vec()));
    let mut reader = match Reader::new(Path::new("fuzz"), source) {
        Ok(reader) => reader,
        Err(error) => panic!("memory can't be read: {error}"),
    };
    let mut filter = Filter::new(Wanted {
        causes: forktrace::cause::Cause::judged().take(3).collect(),
        ..Wanted::default()
    });
    let mut text = Vec::new();
    let mut screen = Screen::new(&mut text, false, Verbosity::Verbose, 80);
    let mut lines = Vec::new();
    loop {
        match reader.read() {
            Ok(Some(record)) => {
                screen.show(&record).expect("memory takes it");
                lines.push(round(&record));
                filter.pass(record);
            }
            Ok(None) => break,
            Err(
                ReadError::NoRecording { .. }
                | ReadError::Foreign { .. }
                | ReadError::Window { .. },
            ) => break,
            Err(error) => panic!("memory can't be read: {error}"),
        }
    }
    screen.settle().expect("memory takes it");
    drop(screen);
    let text = String::from_utf8(text).expect("text is UTF-8");
    let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harmful, None, "in {text:?}");
    lines
}

/// A report takes the lines that are records and no others, and what it prints is as harmless.
fn sum_up(data: &[u8]) {
    let mut sums = Aggregator::new(Wanted::default());
    for line in data.split(|b| *b == b'\n') {
        let taken = sums.take(line).is_some();
        assert_eq!(taken, is_record(line), "{}", String::from_utf8_lossy(line));
    }
    let report = sums.finish();
    let text = report_text(&report, false, 80);
    let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harmful, None, "in {text:?}");
    assert!(report_page(&report).starts_with("<!DOCTYPE html>"));
}

/// What was read is written as one line, and is the same when it is read again.
fn round(record: &Record) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, record).expect("a record is JSON");
    assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
    let mut reader =
        Reader::new(Path::new("again"), Box::new(Cursor::new(line.clone()))).expect("memory");
    assert_eq!(reader.read().expect("a record").as_ref(), Some(record));
    line
}

/// Whole lines that are records.
fn records(data: &[u8]) -> usize {
    let whole = data
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |at| at + 1);
    data[..whole]
        .split(|b| *b == b'\n')
        .filter(|line| line.len() <= 1 << 20)
        .map(|line| line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line))
        .filter(|line| is_record(line))
        .count()
}

/// Whether it is one for every command. Of fields that forktrace doesn't know it may hold what serde would not
/// keep.
fn is_record(line: &[u8]) -> bool {
    let text = std::str::from_utf8(line);
    let is_one = parse_line(line).is_some();
    assert!(is_one || text.is_err() || serde_json::from_slice::<Record>(line).is_err());
    assert!(!is_one || text.is_ok());
    is_one
}

fn frames(data: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let lines: Vec<&[u8]> = data.split_inclusive(|b| *b == b'\n').collect();
    for part in lines.chunks(LINES_OF_FRAME) {
        let mut encoder = zstd::Encoder::new(&mut all, 1).expect("memory");
        encoder.include_checksum(true).expect("an option");
        encoder.write_all(&part.concat()).expect("memory");
        encoder.finish().expect("memory");
    }
    all
}
