//! `pid_max`: every process id that may be given is in use.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use forktrace::cause::Cause;
use forktrace::provoke::sleeper;
use forktrace::provoke::sys;
use forktrace::record::Unit;

use super::{Place, Reach, Run, Scenario, must_fail, probers, skip};
use crate::actor::{self, Actor};
use crate::attempt::{Kind, attempt, attempts};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::setting;
use crate::sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pid_max_340",
        reach: Reach::Host,
        run: |place| host(place, "pm340", 340),
    },
    Scenario {
        name: "pid_max_427",
        reach: Reach::Host,
        run: |place| host(place, "pm427", 427),
    },
    Scenario {
        name: "pid_max_namespace_320",
        reach: Reach::Own,
        run: |place| namespace(place, "pn320", 320),
    },
    Scenario {
        name: "pid_max_namespace_333",
        reach: Reach::Own,
        run: |place| namespace(place, "pn333", 333),
    },
    Scenario {
        name: "pid_max_outer_namespace",
        reach: Reach::Own,
        run: outer_namespace,
    },
];

/// Ids below this are given out once only (RESERVED_PIDS, kernel/pid.c).
const RESERVED: u64 = 300;

fn wanted(scope: String, value: u64, usage: Number) -> WantedLimit {
    WantedLimit {
        name: Some("kernel.pid_max"),
        scope: Scope::Exact(scope),
        value: Number::Exact(value),
        usage,
        unit: Some(Unit::Ids),
        file: None,
    }
}

fn host(place: &Place, tag: &str, value: u64) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers(tag, Kind::ALL, place.count, || Ok(()))?;
    let (mut filler, _) = Actor::start(format!("{tag}-fill"), |link| {
        sleeper::pass_reserved_ids()?;
        link.step();
        let (_, refused) = sleepers::fill(Kind::PLAIN, value as usize);
        link.ready(Vec::from_iter(refused));
        Ok(())
    })?;
    let sysctl = setting::set("kernel/pid_max", value)?;
    let refused = filler.go()?.attempts;
    if refused.is_empty() {
        bail!("{value} ids could not be used up");
    }
    // Those below 300 hold kernel threads and early daemons, and are not among them.
    let usage = || Number::Exact(value - RESERVED);
    let limit = || wanted("host".to_owned(), value, usage());
    must_fail(&refused)?;
    run.expects
        .push(Expect::of(&filler, &refused[0], Cause::PidMax).limit(limit()));
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::PidMax).limit(limit())
    })?;
    // The setting comes back first: what ends the rest must be able to fork.
    run.keep(filler);
    run.keep(callers);
    run.keep(sysctl);
    Ok(run)
}

/// A pid namespace with a /proc and a pid_max of its own, all used up.
fn exhaust_namespace(value: u64) -> Result<()> {
    sys::own_mounts()?;
    sys::mount("proc", Path::new("/proc"), "proc", "")?;
    fs::write("/proc/sys/kernel/pid_max", value.to_string()).context("write pid_max")?;
    Ok(sleeper::pass_reserved_ids()?)
}

fn has_own_pid_max(place: &Place) -> Result<()> {
    if place.kernel < (6, 14) {
        return skip("one pid_max for every pid namespace before 6.14");
    }
    Ok(())
}

fn namespace(place: &Place, tag: &str, value: u64) -> Result<Run> {
    has_own_pid_max(place)?;
    let count = place.count;
    let mut run = Run::default();
    for kind in Kind::ALL {
        let (mut caller, report) = Actor::start(format!("{tag}-{}", kind.label()), |link| {
            let pid = sys::enter_pid_namespace(0)?;
            exhaust_namespace(value)?;
            let (pids, refused) = sleepers::fill(fills(*kind), value as usize);
            let inode = sys::namespace("pid")?;
            link.ready(actor::Report {
                attempts: Vec::from_iter(refused),
                numbers: vec![pid as u64, inode, pids.len() as u64],
            });
            link.ready(attempts(*kind, count));
            Ok(())
        })?;
        let (pid, inode, children) = (report.numbers[0], report.numbers[1], report.numbers[2]);
        if children != value - RESERVED {
            bail!("{children} children below a pid_max of {value}");
        }
        let mut refused = report.attempts;
        refused.extend(caller.go()?.attempts);
        must_fail(&refused)?;
        for a in &refused {
            let limit = wanted(
                format!("pid namespace {inode}"),
                value,
                Number::Exact(value - RESERVED),
            );
            run.expects
                .push(Expect::of(&caller, a, Cause::PidMax).pid(pid).limit(limit));
        }
        run.keep(caller);
    }
    Ok(run)
}

/// What fills is a process that sleeps: by fork, or by a plain clone.
fn fills(kind: Kind) -> Kind {
    if kind == Kind::PLAIN {
        kind
    } else {
        Kind::CloneProcess
    }
}

/// The caller's namespace has ids, the one around it has none left.
fn outer_namespace(place: &Place) -> Result<Run> {
    has_own_pid_max(place)?;
    let value = 310;
    let mut run = Run::default();
    let (mut caller, report) = Actor::start("pno-caller", |link| {
        sys::enter_pid_namespace(0)?;
        exhaust_namespace(value)?;
        let outer = sys::namespace("pid")?;
        // A grandchild namespace whose init is one of the last ids.
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        if let Some(init) = sys::fork("fork into the inner namespace")? {
            sys::reap(init);
            sys::exit(0);
        }
        sys::die_with_parent();
        let (_, refused) = sleepers::fill(Kind::PLAIN, value as usize);
        link.ready(actor::Report {
            attempts: Vec::from_iter(refused),
            numbers: vec![outer],
        });
        link.ready(vec![attempt(Kind::Clone3)]);
        Ok(())
    })?;
    let mut refused = report.attempts;
    refused.extend(caller.go()?.attempts);
    must_fail(&refused)?;
    let pid = innermost(caller.pid())?;
    for a in &refused {
        run.expects
            .push(Expect::of(&caller, a, Cause::PidMax).pid(pid).limit(wanted(
                format!("pid namespace {}", report.numbers[0]),
                value,
                Number::Exact(value - RESERVED),
            )));
    }
    run.keep(caller);
    Ok(run)
}

/// The pid, in this process's numbers, at the end of a chain of first
/// children.
fn innermost(mut pid: i32) -> Result<u64> {
    for _ in 0..2 {
        let path = format!("/proc/{pid}/task/{pid}/children");
        let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
        pid = text
            .split_whitespace()
            .next()
            .and_then(|p| p.parse().ok())
            .with_context(|| format!("{path} is empty"))?;
    }
    Ok(pid as u64)
}
