//! What was refused, and the cgroup whose limit it was, are gone before the record is made, and others have their id and
//! their name: the record has nothing of those.

use std::fs;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::Signal;
use forktrace::record::{Failure, Record};

use super::{Behaviour, await_failures, provoke, record, refused_user};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::machine::await_some;
use crate::runner::Tests;
use crate::scenario::skip;
use crate::sleepers::Sleepers;
use crate::tracer::Tracer;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "id_of_another_process",
        run: process,
    },
    Behaviour {
        name: "name_of_another_cgroup",
        run: cgroup,
    },
];

fn process(tests: &Tests) -> Result<()> {
    let mut tracer = record(tests, &[])?;
    // It reads nothing until the id is another's.
    tracer.running.signal(Signal::STOP);
    let mut refused = refused_user("id-again", tests.place.uid(197), 1)?;
    provoke(&mut refused)?;
    let pid = refused.actor.pid();
    drop(refused);
    let other = with_id(pid);
    tracer.running.signal(Signal::CONT);
    let mut other = other?;
    await_failures(&mut tracer, pid, 1)?;
    let _ = other.kill();
    other.wait()?;
    tracer.end()?;
    let (failure, raw) = failure_of(&tracer, pid)?;
    let caller = &failure.caller;
    ensure!(caller.comm == "id-again", "it is called {:?}", caller.comm);
    ensure!(caller.exe.is_none(), "its executable is {:?}", caller.exe);
    ensure!(!raw.contains("sleep"), "it has the other's name: {raw}");
    Ok(())
}

/// Another program with this id, which nobody has. On a busy host somebody else may be faster.
fn with_id(pid: i32) -> Result<Child> {
    let next = "/proc/sys/kernel/ns_last_pid";
    for _ in 0..50 {
        if fs::write(next, (pid - 1).to_string()).is_err() {
            return skip("this kernel lets nobody choose the next id");
        }
        let mut sleep = Command::new("sleep");
        let mut child = sleep.arg("600").spawn().context("starting sleep")?;
        if child.id() == pid as u32 {
            return Ok(child);
        }
        let _ = child.kill();
        child.wait()?;
    }
    bail!("somebody else always had id {pid} or the next one")
}

fn failure_of(tracer: &Tracer, pid: i32) -> Result<(&Failure, &str)> {
    let found = tracer.lines.iter().find_map(|line| match &line.record {
        Record::Failure(failure) if failure.caller.pid == pid as u32 => {
            Some((&**failure, line.raw.as_str()))
        }
        _ => None,
    });
    found.context("no failure")
}

/// As where a service that was refused is started anew.
fn cgroup(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("again")?;
    let home = tree.at(&["again.service"])?;
    let mut refused = Prober::start("cg-again", Kind::PLAIN, 1, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    home.limit(1)?;
    let mut tracer = record(tests, &[])?;
    tracer.running.signal(Signal::STOP);
    provoke(&mut refused)?;
    let pid = refused.actor.pid();
    drop(refused);
    let id = home.id()?;
    let removed = await_some(Duration::from_secs(10), || fs::remove_dir(&home.dir).ok());
    ensure!(removed.is_some(), "{} stays", home.dir.display());
    fs::create_dir(&home.dir)?;
    home.limit(500)?;
    ensure!(home.id()? != id, "a cgroup has the id of an earlier one");
    let sleepers = Sleepers::start(5, || Ok(home.enter()?))?;
    tracer.running.signal(Signal::CONT);
    await_failures(&mut tracer, pid, 1)?;
    tracer.end()?;
    drop(sleepers);
    let (failure, raw) = failure_of(&tracer, pid)?;
    ensure!(
        failure.cause == Cause::CgroupPidsMax,
        "cause is {:?}",
        failure.cause
    );
    let limit = failure.limit.as_ref().context("no limit")?;
    ensure!(limit.value == Some(1), "limit is {limit:?}");
    ensure!(failure.holders.is_empty(), "holders are another's: {raw}");
    ensure!(
        !raw.contains("raised since"),
        "its limit is another's: {raw}"
    );
    Ok(())
}
