//! Wrong usage, missing privilege, files, signals, and commands that end by
//! themselves.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::Record;
use rustix::fs::Mode;
use rustix::process::umask;

use super::{
    Behaviour, await_failures, await_text, forktrace, no_panic, provoke, record, refused_user,
};
use crate::machine;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, Running, parse, parse_file};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "wrong_flag",
        run: wrong_flag,
    },
    Behaviour {
        name: "unknown_user",
        run: |tests| unknown(tests, "--user", "no-such-user-here"),
    },
    Behaviour {
        name: "waiting_for_a_cgroup_ends",
        run: waiting,
    },
    Behaviour {
        name: "unknown_pid",
        run: |tests| unknown(tests, "--pid", "4194303"),
    },
    Behaviour {
        name: "unknown_cause",
        run: |tests| unknown(tests, "--cause", "no_such_cause"),
    },
    Behaviour {
        name: "no_privilege",
        run: no_privilege,
    },
    Behaviour {
        name: "existing_file",
        run: existing_file,
    },
    Behaviour {
        name: "force_overwrites",
        run: force,
    },
    Behaviour {
        name: "symbolic_link",
        run: symbolic_link,
    },
    Behaviour {
        name: "file_mode_0600",
        run: mode,
    },
    Behaviour {
        name: "no_such_folder",
        run: no_folder,
    },
    Behaviour {
        name: "sigterm",
        run: |tests| signal(tests, Signal::TERM),
    },
    Behaviour {
        name: "sigint",
        run: |tests| signal(tests, Signal::INT),
    },
    Behaviour {
        name: "closed_pipe",
        run: closed_pipe,
    },
    Behaviour {
        name: "duration",
        run: duration,
    },
    Behaviour {
        name: "count",
        run: count,
    },
    Behaviour {
        name: "schema",
        run: schema,
    },
    Behaviour {
        name: "probes",
        run: probes,
    },
];

fn wrong_flag(tests: &Tests) -> Result<()> {
    let running = forktrace(tests, &["live", "--no-such-flag"], 2)?;
    ensure!(
        running.said().contains("--no-such-flag"),
        "it does not name the flag: {}",
        running.said()
    );
    Ok(())
}

fn unknown(tests: &Tests, flag: &str, name: &str) -> Result<()> {
    let file = tests.scratch.path("unknown.ndjson");
    let file = file.to_string_lossy();
    let running = forktrace(tests, &["record", "-o", &file, flag, name], 2)?;
    let said = running.said();
    no_panic(&said)?;
    ensure!(said.contains(name), "it does not name {name}: {said}");
    Ok(())
}

/// For a cgroup that isn't there it is waited: until a signal, or the end of the time.
fn waiting(tests: &Tests) -> Result<()> {
    let start = |arguments: &[&str]| {
        let mut command = Command::new(&tests.binary);
        command.arg("live").args(["--cgroup", "/no/such/cgroup"]);
        Running::start(&tests.scratch, "waiting", command.args(arguments))
    };
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = start(&[])?;
        await_text(|| running.said(), "waiting for it")?;
        running.signal(signal);
        running.wait_for_exit(0)?;
        let said = running.said();
        ensure!(said.contains("/no/such/cgroup"), "it says {said}");
    }
    let mut running = start(&["--duration", "0.5"])?;
    running.wait_for_exit(0)?;
    ensure!(running.printed().is_empty(), "{}", running.printed());
    // A command may be what makes it.
    let mut running = start(&["--", "true"])?;
    running.wait_for_exit(2)
}

fn no_privilege(tests: &Tests) -> Result<()> {
    let file = tests.scratch.path("unprivileged.ndjson");
    let mut command = Command::new(&tests.binary);
    command
        .arg("record")
        .arg("-o")
        .arg(&file)
        .current_dir("/")
        .uid(65534)
        .gid(65534);
    let mut running = Running::start(&tests.scratch, "unprivileged", &mut command)?;
    running.wait_for_exit(3)?;
    let said = running.said();
    no_panic(&said)?;
    ensure!(said.contains("CAP_BPF"), "it does not name CAP_BPF: {said}");
    Ok(())
}

fn existing_file(tests: &Tests) -> Result<()> {
    let path = tests.scratch.path("existing.ndjson");
    fs::write(&path, "mine\n")?;
    let running = forktrace(tests, &["record", "-o", &path.to_string_lossy()], 2)?;
    ensure!(
        running.said().contains("--force"),
        "it does not name --force: {}",
        running.said()
    );
    ensure!(fs::read(&path)? == b"mine\n", "the file has changed");
    Ok(())
}

fn force(tests: &Tests) -> Result<()> {
    let path = tests.scratch.path("force.ndjson");
    fs::write(&path, "mine\n".repeat(10_000))?;
    let path_text = path.to_string_lossy();
    forktrace(
        tests,
        &["record", "--force", "-o", &path_text, "--duration", "1"],
        0,
    )?;
    let lines = parse_file(&path)?;
    ensure!(
        matches!(lines.first().map(|l| &l.record), Some(Record::Session(_))),
        "the first line is no session"
    );
    Ok(())
}

fn symbolic_link(tests: &Tests) -> Result<()> {
    let victim = tests.scratch.path("victim");
    fs::write(&victim, "mine\n")?;
    let link = tests.scratch.path("link.ndjson");
    symlink(&victim, &link)?;
    let text = link.to_string_lossy();
    let mut refused = forktrace(tests, &["record", "-o", &text], 2)?;
    ensure!(refused.status().is_some(), "still there");
    // However it is answered, the link is not followed.
    let mut command = Command::new(&tests.binary);
    command.args(["record", "--force", "-o", &text, "--duration", "1"]);
    Running::start(&tests.scratch, "link", &mut command)?.wait(PATIENCE)?;
    ensure!(fs::read(&victim)? == b"mine\n", "the link was followed");
    let dangling = tests.scratch.path("dangling.ndjson");
    let nowhere = tests.scratch.path("nowhere");
    symlink(&nowhere, &dangling)?;
    forktrace(tests, &["record", "-o", &dangling.to_string_lossy()], 2)?;
    ensure!(!nowhere.exists(), "the dangling link was followed");
    Ok(())
}

fn mode(tests: &Tests) -> Result<()> {
    let before = umask(Mode::empty());
    let tracer = record(tests, &[]);
    umask(before);
    let mut tracer = tracer?;
    let mode = fs::metadata(tests.scratch.dir.join("x.ndjson"))?.mode() & 0o7777;
    tracer.end()?;
    ensure!(mode == 0o600, "the mode is {mode:o}");
    Ok(())
}

fn no_folder(tests: &Tests) -> Result<()> {
    let path = tests.scratch.dir.join("no-such-folder/x.ndjson");
    let mut command = Command::new(&tests.binary);
    command.arg("record").arg("-o").arg(&path);
    let mut running = Running::start(&tests.scratch, "nofolder", &mut command)?;
    let status = running.wait(PATIENCE)?;
    let said = running.said();
    no_panic(&said)?;
    ensure!(
        matches!(status.code(), Some(2..=4)) && said.contains("no-such-folder"),
        "{status}: {said}"
    );
    ensure!(said.contains("there is no folder"), "{said}");
    // A folder that is there, and in which nobody can create anything.
    let said = forktrace(tests, &["record", "-o", "/proc/x.ndjson"], 2)?.said();
    ensure!(
        said.contains("opening /proc/x.ndjson: No such file") && !said.contains("folder"),
        "{said}"
    );
    Ok(())
}

fn signal(tests: &Tests, signal: Signal) -> Result<()> {
    let mut tracer = record(tests, &[])?;
    let mut prober = refused_user("by-signal", tests.place.uid(100), 3)?;
    provoke(&mut prober)?;
    await_failures(&mut tracer, prober.actor.pid(), 3)?;
    let summary = tracer.end_by(signal)?;
    ensure!(
        summary.failures >= 3,
        "the summary counts {}",
        summary.failures
    );
    Ok(())
}

fn closed_pipe(tests: &Tests) -> Result<()> {
    let mut command = Command::new(&tests.binary);
    command
        .args(["live", "--format", "json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().context("start forktrace")?;
    let mut out = child.stdout.take().context("a pipe")?;
    let first = first_line(&mut out);
    drop(out);
    let mut prober = refused_user("closed-pipe", tests.place.uid(101), 1)?;
    // The write that meets the closed end comes with one of these.
    let status = machine::await_some(Duration::from_secs(20), || {
        let _ = prober.fire();
        child.try_wait().ok().flatten()
    });
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        bail!("it did not end");
    };
    parse(first?.as_bytes())?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

/// Reads up to the first newline, within a time.
fn first_line(out: &mut std::process::ChildStdout) -> Result<String> {
    use std::io::Read;
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        ensure!(sys::readable(&*out, PATIENCE), "no line in time");
        ensure!(out.read(&mut byte)? == 1, "it ended without a line");
        if byte[0] == b'\n' {
            return Ok(String::from_utf8(line)?);
        }
        line.push(byte[0]);
    }
}

fn duration(tests: &Tests) -> Result<()> {
    let mut tracer = record(tests, &["--duration", "1"])?;
    tracer.ended()?;
    Ok(())
}

fn count(tests: &Tests) -> Result<()> {
    let mut tracer = record(tests, &["--count", "2"])?;
    let mut all = Vec::new();
    // Different callers, so that none is a repeat.
    for n in 0..2 {
        let mut prober = refused_user("counted", tests.place.uid(102 + n), 1)?;
        provoke(&mut prober)?;
        all.push(prober);
    }
    tracer.ended()?;
    Ok(())
}

fn schema(tests: &Tests) -> Result<()> {
    let running = forktrace(tests, &["schema"], 0)?;
    let value: serde_json::Value = serde_json::from_str(&running.printed())?;
    ensure!(value.is_object(), "the schema is no object");
    Ok(())
}

fn probes(tests: &Tests) -> Result<()> {
    let running = forktrace(tests, &["probes"], 0)?;
    ensure!(!running.printed().trim().is_empty(), "nothing printed");
    Ok(())
}
