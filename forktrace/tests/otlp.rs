//! `replay --follow --otlp`: every record arrives, though the collector is away at first, files are put away
//! and it is started anew.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use forktrace::{
    record::{Failure, Record, parse_line, write_line},
    recording::{Keeping, Recording},
};
use serde_json::Value;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/schema-1.ndjson");

/// The session and a failure of an old recording.
fn records() -> (Record, Failure) {
    let text = fs::read_to_string(FIXTURE).unwrap();
    let mut records = text
        .lines()
        .map(|line| parse_line(line.as_bytes()).unwrap());
    let session = records.next().unwrap();
    let failure = records.find_map(|record| match record {
        Record::Failure(failure) => Some(*failure),
        _ => None,
    });
    (session, failure.unwrap())
}

/// What is posted, one body at a time.
fn collector(listener: TcpListener) -> Receiver<(String, Value)> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if sender.send(posted(stream)).is_err() {
                break;
            }
        }
    });
    receiver
}

fn posted(mut stream: TcpStream) -> (String, Value) {
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    let (head, body) = loop {
        let n = stream.read(&mut piece).unwrap();
        assert!(n > 0, "it ends early");
        asked.extend_from_slice(&piece[..n]);
        let text = String::from_utf8_lossy(&asked).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.split_once("Content-Length: ").unwrap().1;
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if body.len() >= length {
            break (head.to_owned(), body.to_owned());
        }
    };
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        .unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    (path, serde_json::from_str(&body).unwrap())
}

struct Sender(Child);

impl Sender {
    fn start(file: &Path, url: &str) -> Self {
        Self::with(file, &["--otlp", url], Stdio::null())
    }

    fn with(file: &Path, arguments: &[&str], stderr: Stdio) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_forktrace"))
            .args(["replay", "--follow"])
            .arg(file)
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Numbers of the failures that arrive, with how often, until so many are there.
fn arrive(
    from: &Receiver<(String, Value)>,
    seen: &mut BTreeMap<u64, u64>,
    wanted: usize,
    sum: &mut u64,
) {
    let begun = Instant::now();
    while seen.len() < wanted || *sum < wanted as u64 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{seen:?}, {sum}");
        let Ok((path, body)) = from.recv_timeout(Duration::from_secs(1)) else {
            continue;
        };
        if path == "/v1/metrics" {
            let metrics = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
            let points = metrics[0]["sum"]["dataPoints"].as_array().unwrap();
            let values = points.iter().map(|p| p["asInt"].as_str().unwrap());
            *sum = values.map(|value| value.parse::<u64>().unwrap()).sum();
            continue;
        }
        assert_eq!(path, "/v1/logs");
        let logs = &body["resourceLogs"][0]["scopeLogs"][0]["logRecords"];
        for log in logs.as_array().unwrap() {
            let attributes = log["attributes"].as_array().unwrap();
            let seq = attributes.iter().find(|a| a["key"] == "forktrace.seq");
            if let Some(seq) = seq.and_then(|seq| seq["value"]["intValue"].as_str()) {
                *seen.entry(seq.parse().unwrap()).or_default() += 1;
            }
        }
    }
}

#[test]
fn every_failure_arrives_once_whatever_goes_away() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f.ndjson");
    let (session, failure) = records();
    let keeping = Keeping {
        max_size: Some(32 * 1024),
        ..Keeping::default()
    };
    let mut recording = Recording::open(&file, keeping).unwrap();
    recording.write(&session).unwrap();
    let mut write = |seqs: std::ops::Range<u64>| {
        for seq in seqs {
            let failure = Failure {
                seq,
                ..failure.clone()
            };
            recording
                .write(&Record::Failure(Box::new(failure)))
                .unwrap();
        }
    };
    // Its port is free while the collector is away.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let (mut seen, mut sum) = (BTreeMap::new(), 0);
    write(0..20);
    let sender = Sender::start(&file, &url);
    thread::sleep(Duration::from_millis(1500));
    let collector = collector(TcpListener::bind(address).unwrap());
    arrive(&collector, &mut seen, 20, &mut sum);
    // Files are put away while it runs.
    write(20..200);
    arrive(&collector, &mut seen, 200, &mut sum);
    // And while it doesn't.
    thread::sleep(Duration::from_millis(600));
    drop(sender);
    write(200..400);
    assert!(fs::read_dir(dir.path()).unwrap().count() > 10);
    let sender = Sender::start(&file, &url);
    arrive(&collector, &mut seen, 400, &mut sum);
    write(400..410);
    arrive(&collector, &mut seen, 410, &mut sum);
    drop(sender);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(sum, 410);
}

/// A recording's file, with a session of its own each hour.
fn write_file(file: &Path, hour: u64, seqs: std::ops::Range<u64>) {
    let (session, failure) = records();
    let Record::Session(mut session) = session else {
        panic!("a session");
    };
    session.started = format!("2026-11-29T{hour:02}:00:00Z");
    let mut lines = Vec::new();
    write_line(&mut lines, &Record::Session(session)).unwrap();
    for seq in seqs {
        let failure = Failure {
            seq,
            ..failure.clone()
        };
        write_line(&mut lines, &Record::Failure(Box::new(failure))).unwrap();
    }
    fs::write(file, lines).unwrap();
}

/// As `record --append` does it at a start where the file is too old; and then emptied, and copied anew.
#[test]
fn every_failure_arrives_once_from_files_that_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f.ndjson");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let collector = collector(listener);
    let (mut seen, mut sum) = (BTreeMap::new(), 0);
    let put_away = |n: u64| {
        let name = format!("f.20261129T0{n}0000000Z.ndjson");
        fs::rename(&file, dir.path().join(name)).unwrap();
    };
    write_file(&file, 0, 0..10);
    let sender = Sender::start(&file, &url);
    arrive(&collector, &mut seen, 10, &mut sum);
    put_away(1);
    write_file(&file, 1, 10..20);
    arrive(&collector, &mut seen, 20, &mut sum);
    // This one goes on with the session.
    put_away(2);
    write_file(&file, 1, 20..30);
    arrive(&collector, &mut seen, 30, &mut sum);
    thread::sleep(Duration::from_millis(600));
    drop(sender);
    let sender = Sender::start(&file, &url);
    put_away(3);
    write_file(&file, 2, 30..31);
    arrive(&collector, &mut seen, 31, &mut sum);
    write_file(&file, 3, 31..33);
    arrive(&collector, &mut seen, 33, &mut sum);
    let copy = dir.path().join("copy");
    write_file(&copy, 3, 31..40);
    fs::rename(&copy, &file).unwrap();
    arrive(&collector, &mut seen, 40, &mut sum);
    thread::sleep(Duration::from_millis(600));
    drop(sender);
    write_file(&copy, 3, 31..50);
    fs::copy(&copy, &file).unwrap();
    let sender = Sender::start(&file, &url);
    arrive(&collector, &mut seen, 50, &mut sum);
    drop(sender);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    assert_eq!(sum, 50);
}

/// Each once, while it goes on.
#[test]
fn what_is_damaged_is_said_as_it_comes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let _collector = collector(listener);
    for arguments in [&["--format", "json"][..], &["--otlp", &url]] {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f.ndjson");
        write_file(&file, 0, 0..2);
        let mut sender = Sender::with(&file, arguments, Stdio::piped());
        let stderr = BufReader::new(sender.0.stderr.take().unwrap());
        let (lines, said) = channel();
        thread::spawn(move || {
            stderr
                .lines()
                .try_for_each(|line| lines.send(line.unwrap()))
        });
        for (lines, wanted) in [
            ("no record\n", "f.ndjson: 1 line is no record"),
            ("\0\0\0\n{}\n", "f.ndjson: 2 lines are no records"),
        ] {
            let mut appended = OpenOptions::new().append(true).open(&file).unwrap();
            appended.write_all(lines.as_bytes()).unwrap();
            let said = said.recv_timeout(Duration::from_secs(60)).unwrap();
            assert!(said.contains(wanted), "{arguments:?}: {said}");
        }
    }
}

#[test]
fn wrong_usage_is_said() {
    let said = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_forktrace"))
            .arg("replay")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}: {run:?}");
        String::from_utf8_lossy(&run.stderr).into_owned()
    };
    let url = "http://127.0.0.1:1";
    assert!(said(&[FIXTURE, "--otlp", url]).contains("--follow"));
    let name = said(&["-f", FIXTURE, "--otlp", "http://collector:4318"]);
    assert!(name.contains("by its address"), "{name}");
    assert!(said(&["-f", "-", "--otlp", url]).contains("standard input"));
    assert!(said(&["-f", "/none/x", "--otlp", url]).contains("/none/x"));
}
