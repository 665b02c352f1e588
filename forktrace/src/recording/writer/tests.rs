use super::*;
use crate::{
    record::{Repeat, Session, Summary},
    recording::{Damage, Reader},
};

fn create(path: &Path, existing: Existing) -> Result<Recording, WriteError> {
    let keeping = Keeping {
        existing,
        ..Keeping::default()
    };
    Recording::open(path, keeping)
}

fn record() -> Record {
    Record::Loss(Loss {
        count: 1,
        since: "2026-01-01T00:00:00Z".to_owned(),
        reason: LossReason::RingFull,
    })
}

fn folder(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("forktrace-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

#[test]
fn refuses_what_exists_and_links() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = folder("writer");
    let path = dir.join("a.ndjson");
    create(&path, Existing::Refuse)
        .unwrap()
        .write(&record())
        .unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(
        create(&path, Existing::Refuse),
        Err(WriteError::Exists { .. })
    ));
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let link = dir.join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for existing in [Existing::Refuse, Existing::Overwrite, Existing::Append] {
        assert!(matches!(
            create(&link, existing),
            Err(WriteError::Symlink { .. })
        ));
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    create(&path, Existing::Overwrite).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_names_the_file() {
    // Every write to /dev/full answers ENOSPC.
    let mut full = create(Path::new("/dev/full"), Existing::Overwrite).unwrap();
    let error = full.write(&record()).unwrap_err();
    let error = format!("{:#}", anyhow::Error::from(error));
    assert!(error.contains("/dev/full"), "{error}");
    assert!(error.contains("No space left"), "{error}");
}

fn session() -> Record {
    Record::Session(Box::new(Session {
        schema: 1,
        version: "0".to_owned(),
        started: "2026-01-01T00:00:00Z".to_owned(),
        host: "here".to_owned(),
        boot_id: None,
        kernel: "6.12".to_owned(),
        attach: "fexit".to_owned(),
        probes: Vec::new(),
        absent: Vec::new(),
        holders_by: None,
        inside: Vec::new(),
        filters: Default::default(),
        limits: Default::default(),
    }))
}

/// A record that is recognised by its count.
fn repeat(count: u64) -> Record {
    Record::Repeat(Repeat {
        of: 1,
        count,
        first: "2026-01-01T00:00:00Z".to_owned(),
        last: "2026-01-01T00:00:01Z".to_owned(),
        alike: Default::default(),
    })
}

fn read(path: &Path) -> (Vec<Record>, Damage) {
    let mut reader = Reader::open(path).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.read().unwrap() {
        all.push(record);
    }
    (all, reader.damage())
}

/// Every file of a folder, as the names sort; the one being written is last.
fn files(dir: &Path, current: &str) -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| *path != dir.join(current))
        .collect();
    all.sort();
    all.push(dir.join(current));
    all
}

fn rotated(name: &str, file: &str, many: u64) {
    use std::os::unix::fs::PermissionsExt as _;
    const MAX: u64 = 3000;
    let dir = folder(name);
    let mut recording = Recording::open(
        &dir.join(file),
        Keeping {
            max_size: Some(MAX),
            ..Keeping::default()
        },
    )
    .unwrap();
    recording.write(&session()).unwrap();
    for n in 1..=many {
        recording.write(&repeat(n)).unwrap();
    }
    recording
        .write(&Record::Summary(Summary::default()))
        .unwrap();
    assert!(recording.warning().is_none());
    let files = files(&dir, file);
    assert!(files.len() > 3, "{files:?}");
    let mut counts = Vec::new();
    for path in &files {
        let metadata = path.metadata().unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        // The next line and the frame's end come on top.
        let slack = if file.ends_with(".zst") { 300 } else { 0 };
        assert!(metadata.len() <= MAX + slack, "{path:?} {}", metadata.len());
        let (records, damage) = read(path);
        assert_eq!(damage, Damage::default());
        assert_eq!(records[0], session(), "{path:?}");
        counts.extend(records.iter().filter_map(|r| match r {
            Record::Repeat(repeat) => Some(repeat.count),
            _ => None,
        }));
    }
    assert_eq!(counts, (1..=many).collect::<Vec<_>>());
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn rotation_loses_nothing_between_files() {
    rotated("rotate", "a.ndjson", 400);
}

#[test]
fn rotation_of_compressed_files_loses_nothing_either() {
    rotated("rotate-zst", "a.ndjson.zst", 2000);
}

#[test]
fn a_file_is_filled_to_the_last_byte_and_no_further() {
    let length = |record: &Record| {
        let mut line = Vec::new();
        write_line(&mut line, record).unwrap();
        line.len() as u64
    };
    let fits = length(&session()) + 2 * length(&repeat(1));
    for (max_size, records) in [(fits, 3), (fits - 1, 2)] {
        let dir = folder(&format!("filled-{records}"));
        let path = dir.join("a.ndjson");
        let keeping = Keeping {
            max_size: Some(max_size),
            ..Keeping::default()
        };
        let mut recording = Recording::open(&path, keeping).unwrap();
        recording.write(&session()).unwrap();
        for n in 1..=3 {
            recording.write(&repeat(n)).unwrap();
        }
        let files = files(&dir, "a.ndjson");
        assert_eq!(read(&files[0]).0.len(), records);
        for file in &files {
            assert!(file.metadata().unwrap().len() <= max_size);
        }
        fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn the_oldest_go_and_the_wanted_number_stays() {
    let dir = folder("keep");
    let path = dir.join("a.ndjson");
    fs::write(dir.join("a.ndjson.note"), "not forktrace's").unwrap();
    let mut recording = Recording::open(
        &path,
        Keeping {
            max_size: Some(600),
            keep: Some(2),
            ..Keeping::default()
        },
    )
    .unwrap();
    recording.write(&session()).unwrap();
    for n in 1..=50 {
        recording.write(&repeat(n)).unwrap();
    }
    let mut files = files(&dir, "a.ndjson");
    files.retain(|f| !f.ends_with("a.ndjson.note"));
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(dir.join("a.ndjson.note").exists());
    // The latest of all.
    let mut latest: Vec<Record> = files.iter().flat_map(|f| read(f).0).collect();
    latest.retain(|r| matches!(r, Record::Repeat(_)));
    let from = 51 - latest.len() as u64;
    assert_eq!(latest, (from..=50).map(repeat).collect::<Vec<_>>());
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn age_begins_a_file_with_the_next_record() {
    let dir = folder("age");
    let mut recording = Recording::open(
        &dir.join("a.ndjson"),
        Keeping {
            max_age: Some(Duration::ZERO),
            ..Keeping::default()
        },
    )
    .unwrap();
    recording.write(&session()).unwrap();
    for n in 1..=3 {
        recording.write(&repeat(n)).unwrap();
    }
    let files = files(&dir, "a.ndjson");
    assert_eq!(files.len(), 3);
    for (n, file) in files.iter().enumerate() {
        assert_eq!(read(file).0, [session(), repeat(n as u64 + 1)]);
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_rotation_that_fails_loses_nothing() {
    let dir = folder("stuck");
    let path = dir.join("a.ndjson");
    // Where the new file would be written first.
    fs::create_dir(dir.join(".a.ndjson.new")).unwrap();
    let mut recording = Recording::open(
        &path,
        Keeping {
            max_size: Some(600),
            ..Keeping::default()
        },
    )
    .unwrap();
    recording.write(&session()).unwrap();
    let mut warned = 0;
    for n in 1..=50 {
        recording.write(&repeat(n)).unwrap();
        warned += usize::from(recording.warning().is_some());
    }
    assert_eq!(warned, 1, "warned once, and not tried with every record");
    assert_eq!(read(&path).0.len(), 51);
    // Once it is possible again.
    fs::remove_dir(dir.join(".a.ndjson.new")).unwrap();
    recording.not_before = None;
    recording.write(&repeat(51)).unwrap();
    assert_eq!(read(&path).0, [session(), repeat(51)]);
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn compressed_records_can_be_read_at_once_and_in_the_end() {
    let dir = folder("zst");
    let path = dir.join("a.ndjson.zst");
    let mut recording = create(&path, Existing::Refuse).unwrap();
    let mut wanted = vec![session()];
    recording.write(&wanted[0]).unwrap();
    let many = 3 * 256 * 1024 / 100;
    for n in 1..=many {
        wanted.push(repeat(n));
        recording.write(&repeat(n)).unwrap();
        if n % 1000 == 1 {
            assert_eq!(read(&path).0, wanted, "while it is written");
        }
    }
    wanted.push(Record::Summary(Summary::default()));
    recording.write(&wanted[wanted.len() - 1]).unwrap();
    let (all, damage) = read(&path);
    assert_eq!(all, wanted);
    assert_eq!(damage, Damage::default());
    assert!(path.metadata().unwrap().len() < many * 30);
    fs::remove_dir_all(&dir).unwrap();
}

/// A crash leaves any part of a file; appending to it loses no whole record.
fn appended_to_any_part(name: &str, file: &str) {
    let dir = folder(name);
    let path = dir.join(file);
    let mut recording = create(&path, Existing::Refuse).unwrap();
    recording.write(&session()).unwrap();
    // Bytes of the file by which the first n records are whole.
    let mut whole = vec![path.metadata().unwrap().len()];
    for n in 1..=9 {
        recording.write(&repeat(n)).unwrap();
        whole.push(path.metadata().unwrap().len());
    }
    drop(recording);
    let bytes = fs::read(&path).unwrap();
    if !file.ends_with(".zst") {
        // A line that lacks its newline only is given one, unless it is the only
        // one.
        whole.iter_mut().skip(1).for_each(|w| *w -= 1);
    }
    for cut in 0..=bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let records = whole.iter().filter(|w| **w <= cut as u64).count();
        let appended = create(&path, Existing::Append);
        if records == 0 && cut > 0 {
            assert!(
                matches!(appended, Err(WriteError::NoRecording { .. })),
                "{cut}"
            );
            assert_eq!(fs::read(&path).unwrap(), &bytes[..cut]);
            continue;
        }
        let mut appended = appended.unwrap();
        appended.write(&session()).unwrap();
        appended.write(&repeat(77)).unwrap();
        appended
            .write(&Record::Summary(Summary::default()))
            .unwrap();
        let mut wanted: Vec<Record> = (0..records as u64)
            .map(|n| if n == 0 { session() } else { repeat(n) })
            .collect();
        wanted.extend([session(), repeat(77), Record::Summary(Summary::default())]);
        let (all, _) = read(&path);
        assert_eq!(all, wanted, "cut at {cut} of {}", bytes.len());
    }
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_recording_cut_at_any_byte_is_continued() {
    appended_to_any_part("append", "a.ndjson");
}

#[test]
fn a_compressed_recording_cut_at_any_byte_is_continued() {
    appended_to_any_part("append-zst", "a.ndjson.zst");
}

#[test]
fn what_is_no_recording_is_not_appended_to() {
    let dir = folder("foreign");
    for (name, content) in [
        ("notes.txt", &b"dear diary\n"[..]),
        ("plain.zst", b"{\"type\":\"session\"}\n"),
        ("binary.ndjson", b"\x28\xb5\x2f\xfd\0\0\0"),
    ] {
        let path = dir.join(name);
        fs::write(&path, content).unwrap();
        assert!(
            matches!(
                create(&path, Existing::Append),
                Err(WriteError::NoRecording { .. })
            ),
            "{name}"
        );
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    assert!(matches!(
        create(Path::new("/dev/null"), Existing::Append),
        Err(WriteError::NoFile { .. })
    ));
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn one_writer_a_file() {
    let dir = folder("lock");
    let path = dir.join("a.ndjson");
    let mut first = create(&path, Existing::Refuse).unwrap();
    first.write(&session()).unwrap();
    for existing in [Existing::Append, Existing::Overwrite] {
        assert!(matches!(
            create(&path, existing),
            Err(WriteError::Locked { .. })
        ));
    }
    assert_eq!(read(&path).0, [session()]);
    drop(first);
    create(&path, Existing::Append).unwrap();
    fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn below_the_floor_failures_are_counted_and_recorded() {
    let dir = folder("floor");
    let path = dir.join("a.ndjson");
    let mut recording = create(&path, Existing::Refuse).unwrap();
    recording.write(&session()).unwrap();
    recording.keeping.min_free = Some(u64::MAX);
    recording.write(&repeat(3)).unwrap();
    recording.write(&repeat(4)).unwrap();
    assert_eq!(read(&path).0, [session()]);
    recording.keeping.min_free = Some(1);
    recording.write(&repeat(5)).unwrap();
    let loss = Record::Loss(Loss {
        count: 7,
        since: "2026-01-01T00:00:00Z".to_owned(),
        reason: LossReason::NoSpace,
    });
    assert_eq!(read(&path).0, [session(), loss, repeat(5)]);
    fs::remove_dir_all(&dir).unwrap();
}
