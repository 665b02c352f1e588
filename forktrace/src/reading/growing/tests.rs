use std::{
    fs::{self, OpenOptions},
    io::Write as _,
};

use super::*;
use crate::{
    record::{Record, write_line},
    recording::{Existing, Keeping, Recording, Wanted},
    report::{Report, tests as made},
};

/// What was looked at, and how often a failure was met that had been counted.
struct Followed {
    growing: Growing,
    report: Aggregator,
    said: Vec<String>,
}

impl Followed {
    fn of(paths: &[&Path]) -> Self {
        let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
        Self {
            growing: Growing::new(&paths).unwrap(),
            report: Aggregator::new(Wanted::default()),
            said: Vec::new(),
        }
    }

    fn look(&mut self) -> bool {
        let said = &mut self.said;
        let say = |what: &str| said.push(what.to_owned());
        self.growing
            .look(&mut self.report, &Progress::hidden(), say)
    }

    /// Looks, and what the report says then.
    fn now(&mut self) -> Report {
        self.look();
        assert!(!self.look(), "nothing has come since");
        self.report.clone().finish()
    }

    /// The failures, each of which was read once.
    fn failures(&mut self) -> u64 {
        let now = self.now();
        assert_eq!(now.totals.again, 0);
        now.totals.failures
    }
}

fn lines(records: &[Record]) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in records {
        write_line(&mut lines, record).unwrap();
    }
    lines
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(bytes).unwrap();
}

fn session(host: &str) -> Record {
    made::session(host, made::AT)
}

fn failures(seqs: std::ops::Range<u64>) -> Vec<Record> {
    seqs.map(|seq| made::failed(seq, made::AT)).collect()
}

/// Byte by byte of several lines: each is counted once, when it is whole; and its session is known.
#[test]
fn a_line_is_counted_when_it_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ndjson");
    append(&path, &lines(&[session("web1")]));
    let mut followed = Followed::of(&[dir.path()]);
    assert_eq!(followed.failures(), 0);
    for (n, line) in failures(0..3).into_iter().enumerate() {
        let bytes = lines(&[line]);
        for part in bytes.chunks(97) {
            assert_eq!(followed.failures(), n as u64);
            append(&path, part);
        }
        assert_eq!(followed.failures(), n as u64 + 1);
    }
    let now = followed.now();
    assert_eq!((now.files, now.hosts[0].host.as_str()), (1, "web1"));
    assert_eq!(now.sessions.len(), 1);
    assert!(followed.said.is_empty(), "{:?}", followed.said);
}

/// As it is written: nothing of a frame that is open is counted twice, and nothing waits for its end.
#[test]
fn compressed_recordings_are_counted_as_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ndjson.zst");
    let mut recording = Recording::open(&path, Keeping::default()).unwrap();
    recording.write(&session("web1")).unwrap();
    let mut followed = Followed::of(&[&path]);
    for seq in 0..700 {
        recording.write(&made::failed(seq, made::AT)).unwrap();
        if seq % 7 == 0 {
            assert_eq!(followed.failures(), seq + 1);
        }
    }
    drop(recording);
    // A frame ends in between, and another program's is behind it.
    let packed = zstd::bulk::compress(&lines(&failures(700..900)), 3).unwrap();
    let (one, two) = packed.split_at(packed.len() / 2);
    append(&path, one);
    assert!(followed.failures() >= 700);
    append(&path, two);
    assert_eq!(followed.failures(), 900);
    assert_eq!(followed.now().sessions.len(), 1);
    // Its writer has gone without an end, which shows when there is something behind it.
    assert!(
        followed
            .said
            .iter()
            .all(|said| said.contains("without an end")),
        "{:?}",
        followed.said
    );
}

#[test]
fn files_that_come_are_read_wherever_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut followed = Followed::of(&[dir.path()]);
    assert_eq!(followed.failures(), 0);
    for host in 0..5 {
        let folder = dir.path().join(format!("host=web{host}/date=2026-01-01"));
        fs::create_dir_all(&folder).unwrap();
        let name = format!("web{host}");
        append(&folder.join("a.ndjson"), &lines(&[session(&name)]));
        append(&folder.join("a.ndjson"), &lines(&failures(0..10)));
        append(&folder.join("notes.txt"), b"nothing\n");
        assert_eq!(followed.failures(), (host + 1) * 10);
    }
    assert_eq!(followed.now().hosts.len(), 5);
    // Given by both names it is one file.
    let one = dir.path().join("host=web1/date=2026-01-01/a.ndjson");
    assert_eq!(Followed::of(&[&one, dir.path()]).failures(), 50);
}

/// By forktrace itself, several times between two looks; what was put away before is no part of it.
#[test]
fn what_is_put_away_is_read_to_its_end() {
    for packed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let name = if packed { "a.ndjson.zst" } else { "a.ndjson" };
        let path = dir.path().join(name);
        let keeping = || Keeping {
            existing: Existing::Append,
            max_size: Some(3000),
            ..Keeping::default()
        };
        let mut recording = Recording::open(&path, keeping()).unwrap();
        recording.write(&session("web1")).unwrap();
        for seq in 0..50 {
            recording.write(&made::failed(seq, made::AT)).unwrap();
        }
        let mut followed = Followed::of(&[&path]);
        let first = followed.failures();
        assert!(packed || first < 50, "older files are not asked for");
        for seq in 50..400 {
            recording.write(&made::failed(seq, made::AT)).unwrap();
            if seq % 60 == 0 {
                assert_eq!(followed.failures(), first + seq - 49);
            }
        }
        assert_eq!(followed.failures(), first + 350);
        assert!(followed.said.is_empty(), "{:?}", followed.said);
    }
}

#[test]
fn a_file_that_somebody_else_renamed_is_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ndjson");
    append(&path, &lines(&[session("web1")]));
    append(&path, &lines(&failures(0..3)));
    let mut followed = Followed::of(&[&path]);
    assert_eq!(followed.failures(), 3);
    append(&path, &lines(&failures(3..5)));
    fs::rename(&path, dir.path().join("a.ndjson.1")).unwrap();
    append(&path, &lines(&[session("web1")]));
    append(&path, &lines(&failures(5..7)));
    assert_eq!(followed.failures(), 7);
}

/// A copy of the same recording goes on; a file that was emptied, or another of that name, is read from its
/// beginning, however long it is.
#[test]
fn what_is_another_file_is_read_from_its_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ndjson");
    append(&path, &lines(&[session("web1")]));
    append(&path, &lines(&failures(0..3)));
    let mut followed = Followed::of(&[dir.path()]);
    assert_eq!(followed.failures(), 3);
    let copy = dir.path().join(".a.ndjson.Xy12");
    fs::copy(&path, &copy).unwrap();
    append(&copy, &lines(&failures(3..4)));
    fs::rename(&copy, &path).unwrap();
    assert_eq!(followed.failures(), 4);
    // Emptied, and shorter or longer by the next look.
    for (n, more) in [1, 40].into_iter().enumerate() {
        fs::write(&path, lines(&[session(&format!("web{}", n + 2))])).unwrap();
        append(&path, &lines(&failures(0..more)));
        assert_eq!(followed.failures(), if n == 0 { 5 } else { 45 });
    }
    assert_eq!(followed.now().hosts.len(), 3);
}

/// Of a thousand files that came and went hardly anything is kept, and none of them is read again.
#[test]
fn files_that_are_gone_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ndjson");
    append(&path, &lines(&[session("web1")]));
    let (mut one, mut all) = (Followed::of(&[&path]), Followed::of(&[dir.path()]));
    let keep = 3;
    for n in 0..300 {
        append(&path, &lines(&failures(n..n + 1)));
        for followed in [&mut one, &mut all] {
            assert_eq!(followed.failures(), n + 1);
            assert!(followed.growing.files.len() <= 80);
            assert!(followed.growing.paths.len() <= 80);
        }
        let stamp = |n: u64| dir.path().join(format!("a.20260101T0000{n:05}Z.ndjson"));
        fs::rename(&path, stamp(n)).unwrap();
        append(&path, &lines(&[session("web1")]));
        if n >= keep {
            fs::remove_file(stamp(n - keep)).unwrap();
        }
    }
}

#[test]
fn what_is_no_recording_is_told_once_and_the_others_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let strange = dir.path().join("a.ndjson");
    append(&strange, b"hello\nworld\n");
    append(&dir.path().join("b.ndjson"), &lines(&[session("web1")]));
    let torn = dir.path().join("c.ndjson");
    append(&torn, &lines(&[session("web2")]));
    append(&torn, b"garbage\n");
    let mut followed = Followed::of(&[dir.path()]);
    assert_eq!(followed.now().files, 2);
    append(&strange, b"more\n");
    append(&torn, &lines(&failures(0..2)));
    let now = followed.now();
    assert_eq!((now.files, now.totals.failures), (2, 2));
    assert_eq!(now.damage.unreadable, 1);
    let said = &followed.said;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("a.ndjson is no recording"), "{said:?}");
    assert!(said[1].contains("1 line is no record"), "{said:?}");
    assert!(Growing::new(&[dir.path().join("none")]).is_err());
}

/// Losses and repeats count as they come, too, and what stands in a file twice is counted once.
#[test]
fn the_sums_are_those_of_a_report_of_the_same_files() {
    let dir = tempfile::tempdir().unwrap();
    let all = [
        vec![session("web1")],
        failures(0..20),
        vec![
            made::repeat(3, 7, made::AT, made::AT),
            made::loss(5, "ring_full".into()),
        ],
        failures(10..30),
        vec![made::summary(42, 5)],
    ];
    let bytes = lines(&all.concat());
    for size in [1009, 4001, 70_000] {
        let folder = dir.path().join(size.to_string());
        fs::create_dir(&folder).unwrap();
        let mut followed = Followed::of(&[&folder]);
        for part in bytes.chunks(size) {
            append(&folder.join("a.ndjson"), part);
            followed.look();
        }
        let mut at_once = Aggregator::new(Wanted::default());
        at_once
            .read(&mut Reader::open(&folder.join("a.ndjson")).unwrap())
            .unwrap();
        assert_eq!(followed.now(), at_once.finish());
    }
}
