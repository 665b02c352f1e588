//! How the process is that was asked for.

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;

use super::{check, pid_of};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::behaviour::{forktrace, provoke};
use crate::runner::Tests;
use crate::scenario::skip;
use crate::sleepers::Sleepers;

/// Every fork is refused, at whatever limits.
pub(super) fn dead_pid_namespace(tests: &Tests) -> Result<()> {
    let mut prober = Prober::start("check-dead-ns", Kind::PLAIN, 1, || {
        // So that the child can be waited for.
        sys::signal::default(libc::SIGCHLD);
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        let init = sys::child("fork", || 0)?;
        sys::reap(init);
        Ok(Vec::new())
    })?;
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    let blocked = &value["blocked"];
    ensure!(blocked[0]["cause"] == "pid_namespace_dead", "{value}");
    ensure!(value["near"] == 0, "{value}");
    provoke(&mut prober)?;
    // One that has a living init.
    let (alive, _) = Actor::start("check-alive-ns", |link| {
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        let _init = Sleepers::start(1, || Ok(()))?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(alive.pid())], 0)?;
    let blocked = value["blocked"].as_array().context("blocked")?;
    ensure!(blocked.is_empty(), "{value}");
    Ok(())
}

/// Every creation is refused while the policy is kept, where the host grants it at all.
pub(super) fn deadline(tests: &Tests) -> Result<()> {
    let started = Prober::start("check-deadline", Kind::PLAIN, 1, || {
        sys::sched_deadline(10)?;
        Ok(Vec::new())
    });
    let mut prober = match started {
        Ok(prober) => prober,
        Err(error) => return skip(format!("{error:#}")),
    };
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    let blocked = &value["blocked"];
    ensure!(blocked[0]["cause"] == "sched_deadline", "{value}");
    provoke(&mut prober)
}

/// Children that have ended are reported of a living process, and a zombie is no
/// living one.
pub(super) fn zombies(tests: &Tests) -> Result<()> {
    let (parent, report) = Actor::start("check-parent", |link| {
        // So that children stay until reaped.
        sys::signal::default(libc::SIGCHLD);
        let mut pids = Vec::new();
        for _ in 0..3 {
            let pid = sys::child("fork", || 0)?;
            pids.push(pid as u64);
            sys::await_zombie(pid);
        }
        link.ready(pids);
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(parent.pid())], 0)?;
    let process = &value["process"];
    ensure!(process["alive"] == true, "{process}");
    ensure!(
        process["children"] == 3 && process["zombies"] == 3,
        "{process}"
    );
    let dead = report.numbers.first().context("a child")?.to_string();
    let value = check(tests, &["--pid", &dead], 0)?;
    ensure!(value["process"]["alive"] == false, "{}", value["process"]);
    let running = forktrace(tests, &["check", "--pid", &dead], 0)?;
    let wanted = format!("process {} has not reaped it", parent.pid());
    ensure!(running.printed().contains(&wanted), "{}", running.printed());
    Ok(())
}
