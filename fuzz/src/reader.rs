//! Whatever is in a file: reading it ends, nothing panics, every whole line that
//! is a record is read, and what is printed of it holds nothing that a terminal
//! acts upon.

use std::{
    io::{Cursor, Write as _},
    path::Path,
};

use forktrace::{
    record::{Record, write_line},
    recording::{Filter, ReadError, Reader, Wanted},
    report::Aggregator,
    view::{Screen, Verbosity, is_harmful, report_page, report_text},
};

/// Lines that a frame of the compressed form holds.
const LINES_OF_FRAME: usize = 3;

/// Takes one input.
pub fn take(data: &[u8]) {
    let Some((how, data)) = data.split_first() else {
        return;
    };
    match how % 4 {
        // As it is: plain, or whatever its first bytes say.
        0 | 1 => {
            let read = read(data);
            let compressed = data.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
                || data.get(1..4) == Some(&[0x2a, 0x4d, 0x18]);
            if !compressed {
                assert_eq!(read, records(data), "of plain lines");
                sum_up(data);
            }
        }
        // Compressed, whole.
        2 => assert_eq!(read(&frames(data)), records(data), "of frames"),
        // Compressed, and one byte of it is another.
        _ => {
            let mut frames = frames(data);
            if let [at, to, ..] = *data
                && !frames.is_empty()
            {
                let at = usize::from(at) * 7 % frames.len();
                frames[at] ^= to;
            }
            read(&frames);
        }
    }
}

/// Reads all there is, prints it, and counts.
fn read(data: &[u8]) -> usize {
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
    let mut count = 0;
    loop {
        match reader.read() {
            Ok(Some(record)) => {
                count += 1;
                screen.show(&record).expect("memory takes it");
                round(&record);
                filter.pass(record);
            }
            Ok(None) => break,
            Err(ReadError::NoRecording { .. }) => break,
            Err(error) => panic!("memory can't be read: {error}"),
        }
    }
    screen.settle().expect("memory takes it");
    drop(screen);
    let text = String::from_utf8(text).expect("text is UTF-8");
    let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harmful, None, "in {text:?}");
    count
}

/// A report takes every line that is a record (and may take one that isn't, for it doesn't read all
/// of a line), and what it prints is as harmless.
fn sum_up(data: &[u8]) {
    let mut sums = Aggregator::new(Wanted::default());
    for line in data.split(|b| *b == b'\n') {
        let taken = sums.take(line).is_some();
        if serde_json::from_slice::<Record>(line).is_ok() {
            assert!(taken, "{:?}", String::from_utf8_lossy(line));
        }
    }
    let report = sums.finish();
    let text = report_text(&report, false, 80);
    let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
    assert_eq!(harmful, None, "in {text:?}");
    assert!(report_page(&report).starts_with("<!DOCTYPE html>"));
}

/// What was read is written as one line, and is the same when it is read again.
fn round(record: &Record) {
    let mut line = Vec::new();
    write_line(&mut line, record).expect("a record is JSON");
    assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
    let mut reader = Reader::new(Path::new("again"), Box::new(Cursor::new(line))).expect("memory");
    assert_eq!(reader.read().expect("a record").as_ref(), Some(record));
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
        .filter(|line| !line.is_empty())
        .filter(|line| serde_json::from_slice::<Record>(line).is_ok())
        .count()
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
