//! What was recorded is printed again.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::{Behaviour, await_failures, forktrace, no_panic, provoke, record, refused_user};
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "replay_is_the_recording",
        run: whole,
    },
    Behaviour {
        name: "replay_filters",
        run: filters,
    },
    Behaviour {
        name: "replay_of_what_is_no_recording",
        run: foreign,
    },
];

/// A recording of two users' failures: its lines, the first user's comm.
fn recorded(tests: &Tests) -> Result<String> {
    let mut one = refused_user("replay-one", tests.place.uid(123), 3)?;
    let mut two = refused_user("replay-two", tests.place.uid(124), 2)?;
    let mut tracer = record(tests, &[])?;
    provoke(&mut one)?;
    provoke(&mut two)?;
    await_failures(&mut tracer, one.actor.pid(), 3)?;
    await_failures(&mut tracer, two.actor.pid(), 2)?;
    tracer.end()?;
    let lines = tracer.lines.iter().map(|l| format!("{}\n", l.raw));
    Ok(lines.collect())
}

fn file(tests: &Tests, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = tests.scratch.path(name);
    fs::File::create(&path)?.write_all(bytes)?;
    Ok(path)
}

fn replay(tests: &Tests, path: &std::path::Path, more: &[&str]) -> Result<String> {
    let path = path.to_str().context("a path")?;
    let arguments = [&["replay", path], more].concat();
    let running = forktrace(tests, &arguments, 0)?;
    no_panic(&running.said())?;
    Ok(running.printed())
}

/// As JSON byte for byte; as text each failure; torn at the end, all the rest.
fn whole(tests: &Tests) -> Result<()> {
    let lines = recorded(tests)?;
    let path = file(tests, "replay.ndjson", lines.as_bytes())?;
    let json = replay(tests, &path, &["--format", "json"])?;
    ensure!(json == lines, "replay printed {json}");
    let text = replay(tests, &path, &[])?;
    for word in [
        "(replay-one)[",
        "(replay-two)[",
        "rlimit_nproc",
        "5 failed creations",
    ] {
        ensure!(text.contains(word), "no {word:?} in {text}");
    }
    let summary = lines.trim_end().rfind('\n').context("lines")? + 1;
    let torn = file(tests, "torn.ndjson", &lines.as_bytes()[..summary + 20])?;
    let json = replay(tests, &torn, &["--format", "json", "--lenient"])?;
    ensure!(json == lines[..summary], "of a torn one {json}");
    // What is lost shows in the status.
    let torn = torn.to_str().context("a path")?;
    for command in ["replay", "report"] {
        let running = forktrace(tests, &[command, torn], 5)?;
        let said = running.said();
        ensure!(
            said.contains("20 bytes behind the last whole line"),
            "{said}"
        );
        let all = said + &running.printed();
        ensure!(all.contains("1 session without a summary"), "{all}");
        forktrace(tests, &[command, torn, "--lenient"], 0)?;
    }
    // As it is while it is written.
    let begun = file(tests, "begun.ndjson", &lines.as_bytes()[..summary])?;
    let begun = begun.to_str().context("a path")?;
    for (files, missing) in [(vec![begun], true), (vec![begun, path_of(&path)?], false)] {
        let said = forktrace(tests, &[vec!["replay"], files].concat(), 0)?.said();
        ensure!(said.contains("without a summary") == missing, "{said}");
    }
    Ok(())
}

fn path_of(path: &std::path::Path) -> Result<&str> {
    path.to_str().context("a path")
}

fn filters(tests: &Tests) -> Result<()> {
    let lines = recorded(tests)?;
    let path = file(tests, "replay.ndjson", lines.as_bytes())?;
    let uid = tests.place.uid(124).to_string();
    for (more, one, two) in [
        (["--comm", "replay-one"], true, false),
        (["--user", &uid], false, true),
        (["--cause", "rlimit_nproc"], true, true),
        (["--cause", "pid_max"], false, false),
        (["--errno", "EAGAIN"], true, true),
        (["--errno", "ENOMEM"], false, false),
        (["--since", "1h ago"], true, true),
        (["--until", "1h ago"], false, false),
    ] {
        let text = replay(tests, &path, &more)?;
        for (comm, wanted) in [("(replay-one)[", one), ("(replay-two)[", two)] {
            ensure!(text.contains(comm) == wanted, "{more:?}: {comm} in {text}");
        }
        let counted = match (one, two) {
            (true, true) => "5 failed creations",
            (true, false) => "3 failed creations",
            (false, true) => "2 failed creations",
            (false, false) => "No failed creation",
        };
        ensure!(text.contains(counted), "{more:?}: no {counted:?} in {text}");
    }
    Ok(())
}

fn foreign(tests: &Tests) -> Result<()> {
    let path = file(tests, "foreign", b"hello\nworld\n")?;
    let path = path.to_str().context("a path")?;
    for (arguments, wanted) in [
        (vec!["replay", path], "no recording of forktrace"),
        (vec!["replay", "/nowhere/at-all"], "No such file"),
        (vec!["replay", path, "--since", "soon"], "is no time"),
        (
            vec!["replay", path, path, "--follow"],
            "--follow takes one file",
        ),
        (vec!["replay"], "required"),
    ] {
        let running = forktrace(tests, &arguments, 2)?;
        let said = running.said();
        ensure!(said.contains(wanted), "{arguments:?}: it said {said}");
        no_panic(&said)?;
    }
    Ok(())
}
