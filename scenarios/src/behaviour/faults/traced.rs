//! Two forktraces, one that somebody else traces, and one that is refused a fork itself.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::Record;

use super::super::{
    Behaviour, await_failures, count_of, no_panic, own_program, provoke, record, refused_user,
};
use crate::actor::Actor;
use crate::machine::await_some;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, Running, parse_file};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_two_at_once",
        run: two,
    },
    Behaviour {
        name: "fault_traced_by_ptrace",
        run: traced,
    },
    Behaviour {
        name: "fault_own_fork_refused",
        run: own_fork,
    },
];

/// Two tracers at once: each records each failure, once.
fn two(tests: &Tests) -> Result<()> {
    const EACH: u32 = 300;
    let mut user = refused_user("seen-twice", tests.place.uid(136), EACH)?;
    let mut first = record(tests, &["--comm", "seen-twice"])?;
    // Its file is another: the first one's stays open.
    let mut second = record(tests, &["--comm", "seen-twice"])?;
    provoke(&mut user)?;
    let pid = user.actor.pid();
    for tracer in [&mut first, &mut second] {
        await_failures(tracer, pid, EACH.into())?;
    }
    for tracer in [&mut first, &mut second] {
        let summary = tracer.end()?;
        let counted = count_of(tracer, pid);
        ensure!(
            counted == u64::from(EACH) && summary.failures == counted && summary.lost == 0,
            "{counted} are recorded and {} summed up, of {EACH}",
            summary.failures
        );
    }
    Ok(())
}

/// Every system call of forktrace stops twice, and it records what it always does.
fn traced(tests: &Tests) -> Result<()> {
    let file = tests.scratch.path("traced.ndjson");
    let mut user = refused_user("watched", tests.place.uid(137), 5)?;
    let pid = user.actor.pid();
    let (mut debugger, _) = Actor::start("debugger", |link| {
        let forktrace = start_traced(tests, &file)?;
        link.step();
        let status = follow(forktrace)?;
        ensure!(
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0,
            "forktrace ended with wait status {status:#x}"
        );
        link.step();
        Ok(())
    })?;
    debugger.send()?;
    let session = await_some(PATIENCE, || {
        let text = std::fs::read_to_string(&file).ok()?;
        text.contains('\n').then_some(())
    });
    session.context("no session line")?;
    provoke(&mut user)?;
    debugger.hear()?;
    let lines = parse_file(&file)?;
    let failures: Vec<_> = lines
        .iter()
        .filter(|l| matches!(&l.record, Record::Failure(f) if f.caller.pid == pid as u32))
        .collect();
    ensure!(
        failures.len() == 5,
        "{} failures are recorded",
        failures.len()
    );
    match lines.last().map(|l| &l.record) {
        Some(Record::Summary(summary)) => {
            ensure!(summary.failures == 5, "{} are summed up", summary.failures);
        }
        _ => anyhow::bail!("the last line is no summary"),
    }
    Ok(())
}

/// `forktrace record --count 5`, stopped at its exec.
fn start_traced(tests: &Tests, file: &Path) -> Result<i32> {
    let arguments = [
        tests.binary.as_os_str().as_bytes(),
        b"record",
        b"--quiet",
        b"--comm",
        b"watched",
        b"--count",
        b"5",
        b"-o",
        file.as_os_str().as_bytes(),
    ];
    let arguments = arguments.map(|a| CString::new(a).unwrap_or_default());
    let mut pointers: Vec<_> = arguments.iter().map(|a| a.as_ptr()).collect();
    pointers.push(std::ptr::null());
    let pid = sys::child("fork", || {
        sys::die_with_parent();
        // SAFETY: strings that live, and an ended list of them.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::execv(pointers[0], pointers.as_ptr());
        }
        99
    })?;
    let stopped = wait(pid)?;
    ensure!(libc::WIFSTOPPED(stopped), "wait status {stopped:#x}");
    Ok(pid)
}

/// Lets it go from stop to stop until it ends; its wait status.
fn follow(pid: i32) -> Result<i32> {
    let mut signal = 0;
    loop {
        // SAFETY: a stopped child of ours, and numbers.
        let answer = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, pid, 0, signal) };
        sys::check(answer, "PTRACE_SYSCALL")?;
        let status = wait(pid)?;
        if !libc::WIFSTOPPED(status) {
            return Ok(status);
        }
        signal = match libc::WSTOPSIG(status) {
            // A system call's stop.
            libc::SIGTRAP => 0,
            other => other,
        };
    }
}

fn wait(pid: i32) -> Result<i32> {
    sys::reap(pid).context("waitpid")
}

/// The fork that forktrace makes for its command is refused: recorded once, and not tried again.
fn own_fork(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("own-fork")?;
    let home = tree.top();
    home.limit(1)?;
    let program = own_program();
    let mut command = Command::new(&tests.binary);
    command.args([
        "live", "--format", "json", "--", &program, "helper", "exit", "0",
    ]);
    let enter = home;
    sys::before_exec(&mut command, move || enter.enter());
    let mut running = Running::start(&tests.scratch, "own-fork", &mut command)?;
    running.wait_for_exit(4)?;
    no_panic(&running.said())?;
    ensure!(
        running.said().contains("starting "),
        "it said {}",
        running.said()
    );
    let own = running.pid() as u32;
    let lines = parse_file(&running.stdout)?;
    let failures = lines.iter().filter_map(|l| match &l.record {
        Record::Failure(f) => Some(f),
        _ => None,
    });
    let failures: Vec<_> = failures.collect();
    ensure!(
        matches!(&failures[..], [f] if f.cause == Cause::CgroupPidsMax && f.caller.pid == own),
        "{failures:?}"
    );
    Ok(())
}
