//! Recordings in several files, continued ones, and what waiting costs.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::Signal;
use forktrace::record::{LossReason, Record, Summary};
use forktrace::recording::{Damage, Reader};

use super::{Behaviour, forktrace, no_panic, provoke, refused_user};
use crate::machine::await_some;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, Running};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "record_rotates_in_a_storm",
        run: |tests| rotates(tests, "storm.ndjson", "16K"),
    },
    Behaviour {
        name: "record_rotates_compressed",
        run: |tests| rotates(tests, "storm.ndjson.zst", "4K"),
    },
    Behaviour {
        name: "record_goes_on_after_a_kill",
        run: |tests| goes_on(tests, "killed.ndjson"),
    },
    Behaviour {
        name: "record_goes_on_after_a_kill_compressed",
        run: |tests| goes_on(tests, "killed.ndjson.zst"),
    },
    Behaviour {
        name: "record_leaves_room",
        run: leaves_room,
    },
    Behaviour {
        name: "replay_follows_to_the_next_file",
        run: follows,
    },
    Behaviour {
        name: "record_wrong_usage",
        run: wrong_usage,
    },
];

/// Everything in a file.
struct File {
    records: Vec<Record>,
    damage: Damage,
}

fn read(path: &Path) -> Result<File> {
    let mut reader = Reader::open(path)?;
    let mut records = Vec::new();
    while let Some(record) = reader.read()? {
        records.push(record);
    }
    Ok(File {
        records,
        damage: reader.damage(),
    })
}

/// A `forktrace record` of callers with this comm, in a folder of its own.
struct Recorder {
    running: Running,
    path: PathBuf,
}

impl Recorder {
    fn start(tests: &Tests, path: &Path, comm: &str, more: &[&str]) -> Result<Self> {
        let before = sessions(path);
        let mut command = Command::new(&tests.binary);
        command.arg("record").arg("-o").arg(path);
        command.args(["--comm", comm]).args(more);
        let mut recorder = Self {
            running: Running::start(&tests.scratch, "recorder", &mut command)?,
            path: path.to_owned(),
        };
        let there = await_some(PATIENCE, || {
            let ended = recorder.running.status().is_some();
            (ended || sessions(path) > before).then_some(ended)
        });
        ensure!(
            there == Some(false),
            "no recording: {}",
            recorder.running.said()
        );
        Ok(recorder)
    }

    fn end(mut self) -> Result<()> {
        self.running.signal(Signal::TERM);
        self.running.wait_for_exit(0)?;
        no_panic(&self.running.said())
    }

    /// Waits until so many failures are in the files.
    fn await_failures(&self, count: u64) -> Result<()> {
        let mut seen = 0;
        let found = await_some(Duration::from_secs(20), || {
            seen = files(&self.path)
                .ok()?
                .iter()
                .map(|file| failures(&file.records))
                .sum();
            (seen >= count).then_some(())
        });
        found.with_context(|| format!("{seen} failures are recorded, wanted {count}"))
    }
}

fn sessions(path: &Path) -> usize {
    let is_session = |r: &&Record| matches!(r, Record::Session(_));
    read(path).map_or(0, |f| f.records.iter().filter(is_session).count())
}

/// Failures that records count, repeats included.
fn failures(records: &[Record]) -> u64 {
    let counts = records.iter().map(|record| match record {
        Record::Failure(_) => 1,
        Record::Repeat(repeat) => repeat.count,
        _ => 0,
    });
    counts.sum()
}

/// All files of a recording, the earliest first.
fn files(path: &Path) -> Result<Vec<File>> {
    paths(path)?.iter().map(|path| read(path)).collect()
}

fn paths(path: &Path) -> Result<Vec<PathBuf>> {
    let dir = path.parent().context("a folder")?;
    let mut all = Vec::new();
    for entry in fs::read_dir(dir)? {
        let found = entry?.path();
        let hidden = found
            .file_name()
            .is_some_and(|n| n.as_encoded_bytes().starts_with(b"."));
        if found != path && !hidden {
            all.push(found);
        }
    }
    all.sort();
    all.push(path.to_owned());
    Ok(all)
}

fn folder(tests: &Tests, name: &str) -> Result<PathBuf> {
    let dir = tests.scratch.dir.join(format!("rec-{name}"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir)?;
    Ok(dir.join(name))
}

/// Many users are refused at once, so that much is recorded in full; every failure
/// is in one file, and in one only.
fn rotates(tests: &Tests, name: &str, size: &str) -> Result<()> {
    const USERS: u32 = 24;
    const EACH: u32 = 10;
    const ROUNDS: u32 = 4;
    let path = folder(tests, name)?;
    let mut users = (0..USERS)
        .map(|n| refused_user("rotate-storm", tests.place.uid(140 + n), EACH))
        .collect::<Result<Vec<_>>>()?;
    // Room for all records, so that the files alone can lose anything.
    let more = ["--max-size", size, "--ring-size", "16M"];
    let recorder = Recorder::start(tests, &path, "rotate-storm", &more)?;
    for round in 0..ROUNDS {
        if round > 0 {
            // Each second some are recorded in full.
            sleep(Duration::from_secs(1));
        }
        for user in &mut users {
            user.actor.send()?;
        }
        for user in &mut users {
            user.actor.hear()?;
        }
    }
    let total = u64::from(USERS * EACH * ROUNDS);
    recorder.await_failures(total)?;
    recorder.end()?;
    let files = files(&path)?;
    ensure!(files.len() > 3, "{} files", files.len());
    let mut seqs = HashSet::new();
    for file in &files {
        ensure!(file.damage == Damage::default(), "{:?}", file.damage);
        let Some(Record::Session(session)) = file.records.first() else {
            bail!("a file begins with {:?}", file.records.first());
        };
        ensure!(
            files[0].records[0] == Record::Session(session.clone()),
            "the session differs between files"
        );
        for record in &file.records {
            if let Record::Failure(f) = record {
                ensure!(seqs.insert(f.seq), "seq {} is there twice", f.seq);
            }
        }
    }
    let counted: u64 = files.iter().map(|f| failures(&f.records)).sum();
    ensure!(counted == total, "{counted} recorded, {total} provoked");
    let last = files.last().and_then(|f| f.records.last());
    let Some(Record::Summary(Summary {
        failures, lost: 0, ..
    })) = last
    else {
        bail!("the last record is {last:?}");
    };
    ensure!(*failures == total, "the summary says {failures}");
    // What the files say together is what one file would have said.
    let all = paths(&path)?;
    let all: Vec<&str> = all.iter().filter_map(|p| p.to_str()).collect();
    let printed = forktrace(tests, &[&["replay", "--user", "0"], &all[..]].concat(), 0)?;
    ensure!(
        printed.printed().contains("No failed creation"),
        "root had none: {}",
        printed.printed()
    );
    let printed = forktrace(
        tests,
        &[&["replay", "--cause", "rlimit_nproc"], &all[..]].concat(),
        0,
    )?;
    let wanted = format!("{total} failed creations");
    ensure!(
        printed.printed().contains(&wanted),
        "no {wanted:?} in {}",
        printed.printed()
    );
    Ok(())
}

fn goes_on(tests: &Tests, name: &str) -> Result<()> {
    let path = folder(tests, name)?;
    let mut user = refused_user("goes-on", tests.place.uid(165), 3)?;
    let mut recorder = Recorder::start(tests, &path, "goes-on", &[])?;
    provoke(&mut user)?;
    recorder.await_failures(3)?;
    recorder.running.signal(Signal::KILL);
    recorder.running.wait(PATIENCE)?;
    ensure!(failures(&read(&path)?.records) == 3, "lost in the kill");
    // Without being asked it is not touched.
    let before = fs::read(&path)?;
    let text = path.to_str().context("a path")?;
    let refused = forktrace(tests, &["record", "-o", text], 2)?;
    ensure!(refused.said().contains("--append"), "{}", refused.said());
    ensure!(fs::read(&path)? == before, "an existing file was changed");
    let recorder = Recorder::start(tests, &path, "goes-on", &["--append"])?;
    let second = forktrace(tests, &["record", "--append", "-o", text], 2)?;
    ensure!(
        second.said().contains("another forktrace"),
        "two write one file: {}",
        second.said()
    );
    provoke(&mut user)?;
    recorder.await_failures(6)?;
    recorder.end()?;
    let File { records, .. } = read(&path)?;
    ensure!(failures(&records) == 6, "{} failures", failures(&records));
    ensure!(sessions(&path) == 2, "{} sessions", sessions(&path));
    ensure!(
        matches!(records.last(), Some(Record::Summary(s)) if s.failures == 3),
        "{:?}",
        records.last()
    );
    Ok(())
}

/// With more room wanted than there is, failures are counted and not written.
fn leaves_room(tests: &Tests) -> Result<()> {
    let path = folder(tests, "room.ndjson")?;
    let mut user = refused_user("no-room", tests.place.uid(166), 5)?;
    let recorder = Recorder::start(tests, &path, "no-room", &["--min-free", "1000000T"])?;
    provoke(&mut user)?;
    // Nothing shows that they have been seen but the end.
    recorder.end()?;
    let File { records, .. } = read(&path)?;
    let kinds: Vec<&str> = records
        .iter()
        .map(|record| match record {
            Record::Session(_) => "session",
            Record::Loss(loss) if loss.reason == LossReason::NoSpace && loss.count == 5 => "loss",
            Record::Summary(summary) if summary.failures == 5 => "summary",
            _ => "another",
        })
        .collect();
    ensure!(kinds == ["session", "loss", "summary"], "{records:?}");
    Ok(())
}

/// `replay --follow` goes on in the file that takes the name, and ends at once
/// at a signal.
fn follows(tests: &Tests) -> Result<()> {
    let path = folder(tests, "follow.ndjson")?;
    let mut user = refused_user("followed", tests.place.uid(167), 2)?;
    let recorder = Recorder::start(tests, &path, "followed", &["--max-size", "4K"])?;
    let mut command = Command::new(&tests.binary);
    command.args(["replay", "--follow", "--format", "json"]);
    command.arg(&path);
    let mut follower = Running::start(&tests.scratch, "follower", &mut command)?;
    // It begins with the file that has the name when it looks, which is to be the first.
    let begun = await_some(PATIENCE, || {
        let lines = follower.printed();
        lines.contains("{\"type\":\"session\"").then_some(())
    });
    ensure!(begun.is_some(), "it printed {:?}", follower.printed());
    let mut provoked = 0;
    for _ in 0..8 {
        provoke(&mut user)?;
        provoked += 2;
        let printed = await_some(PATIENCE, || {
            let lines = follower.printed();
            let failures = lines.matches("{\"type\":\"failure\"").count();
            (failures >= provoked).then_some(failures)
        });
        ensure!(
            printed == Some(provoked),
            "{printed:?} failures are printed, wanted {provoked}"
        );
    }
    ensure!(paths(&path)?.len() > 2, "no other file was begun");
    recorder.end()?;
    follower.signal(Signal::INT);
    follower.wait_for_exit(0)?;
    no_panic(&follower.said())
}

fn wrong_usage(tests: &Tests) -> Result<()> {
    let path = folder(tests, "wrong.ndjson")?;
    let path = path.to_str().context("a path")?;
    let notes = tests.scratch.path("notes");
    fs::write(&notes, "dear diary\n")?;
    let notes = notes.to_str().context("a path")?;
    for (more, wanted) in [
        (vec!["--keep", "3"], "without --max-size"),
        (vec!["--max-size", "1"], "from 4K"),
        (vec!["--append", "--force"], "cannot be used with"),
        (vec!["--sync", "maybe"], "possible values"),
        (vec!["--max-age", "soon"], "number of seconds"),
    ] {
        let arguments = [&["record", "-o", path], &more[..]].concat();
        let said = forktrace(tests, &arguments, 2)?.said();
        ensure!(said.contains(wanted), "{more:?}: it said {said}");
        no_panic(&said)?;
    }
    let said = forktrace(tests, &["record", "--append", "-o", notes], 2)?.said();
    ensure!(said.contains("no recording"), "it said {said}");
    ensure!(
        fs::read(notes)? == b"dear diary\n",
        "a foreign file was changed"
    );
    Ok(())
}

/// A recorder that nothing happens to, from before the other tests until after
/// them.
pub(super) struct Idle {
    recorder: Recorder,
    since: Instant,
    switches: u64,
}

/// For so long, at least.
const MINUTE: Duration = Duration::from_secs(60);

impl Idle {
    pub(super) fn start(tests: &Tests) -> Result<Self> {
        let path = folder(tests, "idle.ndjson")?;
        let recorder = Recorder::start(tests, &path, "nobody-at-all", &[])?;
        // Until it waits.
        sleep(Duration::from_secs(2));
        Ok(Self {
            switches: switches(&recorder.running)?,
            recorder,
            since: Instant::now(),
        })
    }

    /// The kernel counts each time that a task waits (`voluntary_ctxt_switches`
    /// in /proc/PID/status), so one that wakes up shows.
    pub(super) fn end(self) -> Result<()> {
        sleep(MINUTE.saturating_sub(self.since.elapsed()));
        let woken = switches(&self.recorder.running)? - self.switches;
        let seconds = self.since.elapsed().as_secs();
        ensure!(woken == 0, "woken {woken} times in {seconds} s");
        self.recorder.end()
    }
}

fn switches(running: &Running) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", running.pid()))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("voluntary_ctxt_switches:"));
    Ok(line.context("no voluntary_ctxt_switches")?.trim().parse()?)
}
