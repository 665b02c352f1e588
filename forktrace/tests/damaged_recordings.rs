//! Whatever happens to a recording's bytes: nothing that was altered is taken as true where a checksum
//! can say so, nothing is lost uncounted, and it is all the same how the file is read.

use std::{
    collections::HashSet,
    io::{self, Write as _},
    path::Path,
};

use forktrace::{
    record::{Record, write_line},
    recording::{Damage, Item, OneWay, ReadError, Reader, Source, Wanted},
    report::Aggregator,
};

/// Real recordings: of every kind of line, and small.
const FIXTURES: [&str; 2] = [
    include_str!("data/schema-1.ndjson"),
    include_str!("data/oom-kill.ndjson"),
];

/// A line of each kind.
fn few() -> Vec<&'static str> {
    let kind = |kind: &str| {
        let begin = format!("{{\"type\":\"{kind}\"");
        let mut all = FIXTURES.iter().rev().flat_map(|text| text.lines());
        all.find(|line| line.starts_with(&begin)).unwrap()
    };
    ["session", "failure", "repeat", "oom_kill", "summary"]
        .map(kind)
        .to_vec()
}

fn plain(lines: &[&str]) -> Vec<u8> {
    let lines = lines.iter().map(|line| format!("{line}\n"));
    lines.collect::<String>().into_bytes()
}

/// As forktrace writes them, `per_frame` lines in a frame.
fn packed(lines: &[&str], per_frame: usize) -> Vec<u8> {
    let frames = lines.chunks(per_frame).map(|lines| {
        let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(18).unwrap();
        encoder.include_checksum(true).unwrap();
        for line in lines {
            writeln!(encoder, "{line}").unwrap();
            encoder.flush().unwrap();
        }
        encoder.finish().unwrap()
    });
    frames.flatten().collect()
}

/// What comes out of a file.
#[derive(Debug, Default, PartialEq)]
struct Read {
    records: Vec<Record>,
    damage: Damage,
    /// The file as a whole was refused, and by what.
    error: Option<String>,
}

impl Read {
    /// Whether it was said that something is missing.
    fn is_told(&self) -> bool {
        self.error.is_some() || self.damage.is_any()
    }
}

fn read(source: Box<dyn Source>) -> Read {
    let mut read = Read::default();
    let mut reader = Reader::new(Path::new("test"), source).unwrap();
    loop {
        match reader.next() {
            Ok(Some(Item::Record(record))) => read.records.push(record),
            Ok(Some(Item::Gap(_))) => {}
            Ok(None) => break,
            Err(ReadError::Read { source, .. }) => panic!("memory can't be read: {source}"),
            Err(error) => {
                read.error = Some(error.to_string());
                break;
            }
        }
    }
    read.damage = reader.damage();
    read
}

fn from_a_file(bytes: &[u8]) -> Read {
    read(Box::new(io::Cursor::new(bytes.to_vec())))
}

/// Reads it every way, which makes no difference; and the sums are those of the records.
fn take(bytes: &[u8], what: &dyn Fn() -> String) -> Read {
    let file = from_a_file(bytes);
    let pipe = read(Box::new(OneWay(io::Cursor::new(bytes.to_vec()))));
    assert_eq!(file, pipe, "{}", what());
    let (mut one, mut all) = (
        Aggregator::new(Wanted::default()),
        Aggregator::new(Wanted::default()),
    );
    let source = Box::new(io::Cursor::new(bytes.to_vec()));
    let mut reader = Reader::new(Path::new("test"), source).unwrap();
    let error = one.read(&mut reader).err().map(|error| error.to_string());
    assert_eq!(
        (error, reader.damage()),
        (file.error.clone(), file.damage),
        "{}",
        what()
    );
    file.records
        .iter()
        .for_each(|record| all.take_record(record));
    assert_eq!(one.finish().totals, all.finish().totals, "{}", what());
    file
}

fn lines(read: &Read) -> Vec<String> {
    let line = |record| {
        let mut line = Vec::new();
        write_line(&mut line, record).unwrap();
        String::from_utf8(line).unwrap()
    };
    read.records.iter().map(line).collect()
}

#[test]
fn what_is_read_of_damaged_frames_was_written() {
    let lines_of_it = few();
    let whole = packed(&lines_of_it, 2);
    let whole_read = take(&whole, &|| "whole".to_owned());
    assert_eq!(whole_read.damage, Damage::default());
    let all = whole_read.records.len();
    assert_eq!(all, lines_of_it.len());
    let known: HashSet<String> = lines(&whole_read).into_iter().collect();
    let check = |least: usize, bytes: &[u8], what: &dyn Fn() -> String| {
        let read = take(bytes, what);
        let lines = lines(&read);
        for line in &lines {
            assert!(known.contains(line), "{}: altered: {line}", what());
        }
        let told = lines.len() >= least || read.is_told();
        assert!(
            told,
            "{}: {} of {least} lines, and nothing said",
            what(),
            lines.len()
        );
    };
    // Each bit of each byte is for the fuzz target.
    for at in (0..whole.len()).step_by(3) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at / 3 % 8);
        check(all, &bytes, &|| format!("byte {at}, one bit"));
    }
    for at in (0..whole.len()).step_by(47) {
        check(0, &whole[..at], &|| format!("cut at {at}"));
        check(all, &whole[at..], &|| format!("from {at} on"));
        let again = [&whole[..at], &whole[..]].concat();
        check(all, &again, &|| format!("cut at {at}, and again"));
        for length in [1, 40, 300] {
            let end = whole.len().min(at + length);
            let mut bytes = whole.clone();
            bytes[at..end].fill(0);
            check(all, &bytes, &|| format!("NULs in {at}..{end}"));
            let without = [&whole[..at], &whole[end..]].concat();
            // At the end it is a cut.
            let least = if end == whole.len() { 0 } else { all };
            check(least, &without, &|| format!("without {at}..{end}"));
            let moved = [&whole[end..], &whole[at..end], &whole[..at]].concat();
            check(all, &moved, &|| format!("swapped around {at}..{end}"));
        }
    }
}

/// Plain text has no checksum; but what is damaged is the lines that were hit, and each is counted.
#[test]
fn what_is_damaged_in_plain_lines_is_counted() {
    let lines_of_it = few();
    let whole = plain(&lines_of_it);
    let all = lines_of_it.len();
    for at in (0..whole.len()).step_by(37) {
        let bit = at / 37 % 8;
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << bit;
        let what = || format!("bit {bit} of byte {at}");
        let flipped = take(&bytes, &what);
        assert!(flipped.records.len() + 2 >= all, "{}", what());
        assert!(
            flipped.records.len() == all || flipped.is_told(),
            "{}",
            what()
        );
        let what = || format!("cut at {at}");
        let cut = take(&whole[..at], &what);
        assert_eq!(
            cut.damage.lost_records(),
            at > 0 && whole[at - 1] != b'\n',
            "{}",
            what()
        );
    }
}
