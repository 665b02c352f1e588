//! What was recorded is summed up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Behaviour, await_failures, forktrace, no_panic, provoke, record, refused_user};
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "report_counts_what_was_recorded",
        run: counts,
    },
    Behaviour {
        name: "report_writes_a_page",
        run: page,
    },
    Behaviour {
        name: "report_of_what_is_no_recording",
        run: foreign,
    },
];

/// Two users' failures, the first one's repeated in the kernel: the lines.
fn recorded(tests: &Tests) -> Result<Vec<String>> {
    let mut one = refused_user("report-one", tests.place.uid(125), 60)?;
    let mut two = refused_user("report-two", tests.place.uid(126), 2)?;
    let mut tracer = record(tests, &[])?;
    provoke(&mut one)?;
    provoke(&mut two)?;
    await_failures(&mut tracer, one.actor.pid(), 60)?;
    await_failures(&mut tracer, two.actor.pid(), 2)?;
    tracer.end()?;
    Ok(tracer
        .lines
        .iter()
        .map(|l| format!("{}\n", l.raw))
        .collect())
}

fn file(tests: &Tests, name: &str, lines: &[String]) -> Result<PathBuf> {
    let path = tests.scratch.path(name);
    fs::write(&path, lines.concat())?;
    Ok(path)
}

fn report(tests: &Tests, files: &[&Path], more: &[&str]) -> Result<String> {
    let files: Option<Vec<&str>> = files.iter().map(|path| path.to_str()).collect();
    let arguments = [&["report"], &files.context("paths")?[..], more].concat();
    let running = forktrace(tests, &arguments, 0)?;
    no_panic(&running.said())?;
    Ok(running.printed())
}

fn json(tests: &Tests, files: &[&Path], more: &[&str]) -> Result<Value> {
    let printed = report(tests, files, &[&["--format", "json"], more].concat())?;
    ensure!(
        printed.lines().count() == 1,
        "more than one line: {printed}"
    );
    Ok(serde_json::from_str(&printed)?)
}

/// Of one file, of the same in two parts in either order, filtered, and torn.
fn counts(tests: &Tests) -> Result<()> {
    let lines = recorded(tests)?;
    let whole = file(tests, "report.ndjson", &lines)?;
    // As rotation writes it: the session again.
    let middle = lines.len() / 2;
    let one = file(tests, "report-1.ndjson", &lines[..middle])?;
    let second = [&lines[..1], &lines[middle..]].concat();
    let two = file(tests, "report-2.ndjson", &second)?;
    for files in [&[&*whole][..], &[&one, &two], &[&two, &one]] {
        let r = json(tests, files, &[])?;
        ensure!(r["totals"]["failures"] == 62, "{files:?}: {}", r["totals"]);
        ensure!(r["causes"][0]["cause"] == "rlimit_nproc", "{}", r["causes"]);
        ensure!(r["causes"][0]["failures"] == 62, "{}", r["causes"]);
        let callers = &r["callers"]["rows"];
        ensure!(callers[0]["comm"] == "report-one", "{callers}");
        ensure!(callers[0]["failures"] == 60, "{callers}");
        ensure!(callers[1]["failures"] == 2, "{callers}");
        let sessions = r["sessions"].as_array().context("sessions")?;
        ensure!(sessions.len() == 1, "{sessions:?}");
        ensure!(sessions[0]["missing"] == 0, "{sessions:?}");
        ensure!(sessions[0]["too_many"] == 0, "{sessions:?}");
        ensure!(sessions[0]["ended"].is_string(), "{sessions:?}");
        ensure!(r["files"] == files.len(), "{}", r["files"]);
    }
    let r = json(tests, &[&whole], &["--comm", "report-two"])?;
    ensure!(r["totals"]["failures"] == 2, "filtered: {}", r["totals"]);
    let r = json(tests, &[&whole], &["--until", "1h ago"])?;
    ensure!(r["totals"]["failures"] == 0, "of the past: {}", r["totals"]);
    let torn = file(
        tests,
        "torn.ndjson",
        &[lines[0].clone(), lines[1].clone(), "{\"t".into()],
    )?;
    let r = json(tests, &[&torn], &["--lenient"])?;
    ensure!(r["damage"]["torn_bytes"] == 3, "{}", r["damage"]);
    ensure!(r["sessions"][0]["ended"].is_null(), "{}", r["sessions"]);
    let text = report(tests, &[&whole], &[])?;
    for word in [
        "62 failed creations in 1 file",
        "RLIMIT_NPROC",
        "report-one",
        "Over time",
    ] {
        ensure!(text.contains(word), "no {word:?} in {text}");
    }
    Ok(())
}

fn page(tests: &Tests) -> Result<()> {
    let lines = recorded(tests)?;
    let whole = file(tests, "report.ndjson", &lines)?;
    let page = tests.scratch.path("report.html");
    let to = page.to_str().context("a path")?;
    report(tests, &[&whole], &["--html", to])?;
    let html = fs::read_to_string(&page)?;
    for word in [
        "<!DOCTYPE html>",
        "62 failed creations",
        "report-one",
        "default-src 'none'",
    ] {
        ensure!(html.contains(word), "no {word:?} in {html}");
    }
    let mode = page.metadata()?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
    let recording = whole.to_str().context("a path")?;
    let link = tests.scratch.path("report-link");
    std::os::unix::fs::symlink(&whole, &link)?;
    let link = link.to_str().context("a path")?;
    for (to, more, wanted) in [
        (to, None, "exists already"),
        (recording, Some("--force"), "is to be read"),
        (link, Some("--force"), "symbolic link"),
    ] {
        let mut arguments = vec!["report", recording, "--html", to];
        arguments.extend(more);
        let running = forktrace(tests, &arguments, 2)?;
        let said = running.said();
        ensure!(said.contains(wanted), "{arguments:?}: it said {said}");
        no_panic(&said)?;
    }
    ensure!(
        fs::read_to_string(&whole)? == lines.concat(),
        "the recording was changed"
    );
    report(tests, &[&whole], &["--html", to, "--force"])?;
    fs::remove_file(&page)?;
    Ok(())
}

fn foreign(tests: &Tests) -> Result<()> {
    let path = file(tests, "foreign", &["hello\nworld\n".to_owned()])?;
    let path = path.to_str().context("a path")?;
    for (arguments, wanted) in [
        (vec!["report", path], "no recording of forktrace"),
        (vec!["report", "/nowhere/at-all"], "No such file"),
        (vec!["report", path, "--since", "soon"], "is no time"),
        (vec!["report", path, "--force"], "--html"),
        (vec!["report"], "required"),
    ] {
        let running = forktrace(tests, &arguments, 2)?;
        let said = running.said();
        ensure!(said.contains(wanted), "{arguments:?}: it said {said}");
        no_panic(&said)?;
    }
    let running = forktrace(tests, &["schema", "report"], 0)?;
    let schema: Value = serde_json::from_str(&running.printed())?;
    ensure!(schema["properties"]["totals"].is_object(), "{schema}");
    Ok(())
}
