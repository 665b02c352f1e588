//! `--journal`, with systemd's own journald and journalctl.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;
use serde_json::Value;

use super::{Behaviour, forktrace, in_own_mounts, own_program, provoke, record, refused_user};
use crate::machine;
use crate::runner::Tests;
use crate::scenario::skip;
use crate::tracer::{Running, only_one_task};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "journal_entries_have_fields",
        run: fields,
    },
    Behaviour {
        name: "journal_without_journald",
        run: without,
    },
    Behaviour {
        name: "live_fails_if_asked",
        run: fails,
    },
];

const JOURNALD: &str = "/lib/systemd/systemd-journald";
const SOCKET: &str = "/run/systemd/journal/socket";

/// A journald in mounts of its own, with a /run of its own, on a machine that needn't run systemd.
fn fields(tests: &Tests) -> Result<()> {
    if !Path::new(JOURNALD).exists() || !Path::new("/etc/machine-id").exists() {
        return skip("no systemd-journald here");
    }
    in_own_mounts(|| {
        sys::mount("none", Path::new("/run"), "tmpfs", "")?;
        std::fs::create_dir_all("/run/log/journal")?;
        std::fs::create_dir_all("/run/systemd/journal")?;
        let journald = &mut Command::new(JOURNALD);
        let _journald = Running::start(&tests.scratch, "journald", journald)?;
        let there = machine::await_some(Duration::from_secs(20), || {
            Path::new(SOCKET).exists().then_some(())
        });
        there.context("journald doesn't listen")?;
        let mut tracer = record(tests, &["--journal"])?;
        let mut user = refused_user("journalled", tests.place.uid(196), 3)?;
        provoke(&mut user)?;
        let pid = user.actor.pid();
        let found = machine::await_some(Duration::from_secs(20), || {
            let entries = entries(&["CAUSE=rlimit_nproc", &format!("CALLER_PID={pid}")]);
            entries.ok().filter(|entries| !entries.is_empty())
        });
        let entries = found.context("the journal has no entry")?;
        let entry = &entries[0];
        for (name, wanted) in [
            ("CAUSE", "rlimit_nproc"),
            ("ERRNO", "11"),
            ("ERRNO_NAME", "EAGAIN"),
            ("LIMIT", "RLIMIT_NPROC"),
            ("LIMIT_VALUE", "1"),
            ("CALLER_COMM", "journalled"),
            ("SYSLOG_IDENTIFIER", "forktrace"),
            ("PRIORITY", "4"),
            // What journald finds by itself.
            ("_COMM", "forktrace"),
            ("OBJECT_COMM", "journalled"),
        ] {
            ensure!(entry[name] == wanted, "{name} is {}: {entry}", entry[name]);
        }
        let message = entry["MESSAGE"].as_str().unwrap_or_default();
        ensure!(message.contains("journalled"), "{message}");
        only_one_task(tracer.running.pid())?;
        tracer.end()?;
        Ok(())
    })
}

fn entries(matches: &[&str]) -> Result<Vec<Value>> {
    let out = Command::new("journalctl")
        .args(["--directory", "/run/log/journal", "--output", "json"])
        .args(matches)
        .output()?;
    let text = String::from_utf8(out.stdout)?;
    let lines = text.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

fn without(tests: &Tests) -> Result<()> {
    in_own_mounts(|| {
        sys::mount("none", Path::new("/run"), "tmpfs", "")?;
        let running = forktrace(tests, &["live", "--journal", "--duration", "1"], 3)?;
        let said = running.said();
        ensure!(said.contains("journald can't be reached"), "{said}");
        Ok(())
    })
}

/// Status 1 for what was refused, unless the command has one of its own.
fn fails(tests: &Tests) -> Result<()> {
    let own = own_program();
    let live = |more: &[&str], status: i32| -> Result<()> {
        let all = [&["live", "--fail"], more].concat();
        forktrace(tests, &all, status).map(drop)
    };
    live(&["--", &own, "helper", "hostile"], 1)?;
    live(&["--", &own, "helper", "exit", "0"], 0)?;
    live(&["--", &own, "helper", "daemon"], 7)?;
    live(&["--comm", "nobody-is-this", "--duration", "1"], 0)
}
