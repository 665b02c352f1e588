//! How the process is that was asked for.

use anyhow::{Context, Result, ensure};

use super::{check, pid_of};
use crate::actor::{Actor, Prober, Sleepers};
use crate::attempt::Kind;
use crate::behaviour::{forktrace, provoke};
use crate::runner::Tests;
use crate::sys;

/// Every fork is refused, at whatever limits.
pub(super) fn dead_pid_namespace(tests: &Tests) -> Result<()> {
    let mut prober = Prober::start("check-dead-ns", Kind::PLAIN, 1, || {
        // SAFETY: back to the default, so that the child can be waited for.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        // SAFETY: the child leaves at once.
        let init = unsafe { libc::fork() };
        sys::check(i64::from(init), "fork")?;
        if init == 0 {
            crate::actor::exit(0);
        }
        crate::attempt::reap(init);
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

/// Children that have ended are told of a living process, and a zombie is no
/// living one.
pub(super) fn zombies(tests: &Tests) -> Result<()> {
    let (parent, report) = Actor::start("check-parent", |link| {
        // SAFETY: back to the default, so that children stay until reaped.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        let mut pids = Vec::new();
        for _ in 0..3 {
            // SAFETY: the child leaves at once.
            let pid = unsafe { libc::fork() };
            sys::check(i64::from(pid), "fork")?;
            if pid == 0 {
                crate::actor::exit(0);
            }
            pids.push(pid as u64);
            let mut info: libc::siginfo_t = unsafe_zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: waits for the child's end, and leaves it a zombie.
            unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut info, flags) };
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

fn unsafe_zeroed() -> libc::siginfo_t {
    // SAFETY: all-zero is a siginfo_t.
    unsafe { std::mem::zeroed() }
}
