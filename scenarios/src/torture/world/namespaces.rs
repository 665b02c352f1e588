//! Process ids: namespaces whose init is gone, and ids that are used up.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use forktrace::provoke::sleeper;
use forktrace::provoke::sys;

use super::{ANYONE, Burst, Keep, Stage, caller};
use crate::actor::Actor;
use crate::attempt::Kind;
use crate::scenario::pid_namespace_dead::outlive_namespace;
use crate::setting;
use crate::sleepers;

/// What makes a process: a thread of a caller whose children go elsewhere is refused with EINVAL.
fn processes(stage: &mut Stage<'_>, most: u32) -> Vec<Burst> {
    let count = stage.rng.between(2, 4);
    let bursts = (0..count).map(|_| Burst {
        kind: *stage.rng.pick(Kind::PROCESSES),
        ..stage.burst(most)
    });
    bursts.collect()
}

/// Children go to a namespace whose init is gone; the caller's cgroup may be nearly full of tasks.
pub(super) fn dead(stage: &mut Stage<'_>) -> Result<Keep> {
    let tree = stage.tree("t-dead")?;
    let home = tree.top();
    let plan = processes(stage, 60);
    let (mut actor, numbers) = caller("t-dead", &plan, || {
        home.enter()?;
        Ok(vec![outlive_namespace(0)?])
    })?;
    let owner = format!("pid namespace {}", numbers[0]);
    for _ in 0..plan.len() {
        // Asked after the ids: never reached.
        let room = stage.rng.between(0, 1);
        stage.limit(&home, 1 + room)?;
        stage.note(actor.pid(), "pid_namespace_dead", Some(owner.clone()));
        actor.go()?;
    }
    Ok(vec![Box::new(actor), Box::new(tree)])
}

/// A namespace with a pid_max of its own (6.14+), used up.
pub(super) fn own_ids(stage: &mut Stage<'_>) -> Result<Keep> {
    if stage.place.kernel < (6, 14) {
        return Ok(Vec::new());
    }
    let most = stage.rng.between(305, 330);
    let plan: Vec<_> = (0..2).map(|_| stage.burst(60)).collect();
    let (mut actor, report) = Actor::start("t-ownids", |link| {
        let pid = sys::enter_pid_namespace(0)?;
        sys::own_mounts()?;
        sys::mount("proc", Path::new("/proc"), "proc", "")?;
        fs::write("/proc/sys/kernel/pid_max", most.to_string()).context("write pid_max")?;
        sleeper::pass_reserved_ids()?;
        let (_sleepers, _) = sleepers::fill(Kind::PLAIN, most as usize);
        link.ready(vec![pid as u64, sys::namespace("pid")?]);
        for burst in &plan {
            link.ready(vec![burst.play()]);
        }
        Ok(())
    })?;
    let owner = format!("pid namespace {}", report.numbers[1]);
    for _ in 0..plan.len() {
        stage.note(report.numbers[0] as i32, "pid_max", Some(owner.clone()));
        actor.go()?;
    }
    Ok(vec![Box::new(actor)])
}

/// The host's ids are used up; some callers are in a namespace that has free ones.
pub(super) fn host_ids(stage: &mut Stage<'_>) -> Result<Keep> {
    let most = stage.rng.between(320, 400);
    let inner = stage.rng.chance(60);
    let plan: Vec<_> = (0..3).map(|_| stage.burst(60)).collect();
    // So many that they would fill the namespace, were its first ids not free.
    let company = if inner {
        most - 300 + stage.rng.between(1, 9)
    } else {
        0
    };
    let (mut actor, report) = Actor::start("t-ids", |link| {
        let pid = if inner {
            sys::enter_pid_namespace(0)?
        } else {
            0
        };
        let (_sleepers, _) = sleepers::fill(Kind::PLAIN, company as usize);
        link.ready(vec![pid as u64]);
        for burst in &plan {
            link.ready(vec![burst.play()]);
        }
        Ok(())
    })?;
    let (mut filler, _) = Actor::start("t-fill", |link| {
        sleeper::pass_reserved_ids()?;
        link.step();
        let (pids, _) = sleepers::fill(Kind::PLAIN, most as usize);
        link.ready(vec![pids.len() as u64]);
        Ok(())
    })?;
    let sysctl = setting::set("kernel/pid_max", most)?;
    filler.go()?;
    let process = match report.numbers[0] {
        0 => actor.pid(),
        pid => pid as i32,
    };
    for _ in 0..plan.len() {
        stage.note(process, "pid_max", Some("host".to_owned()));
        actor.go()?;
    }
    // The setting comes back first: what ends the rest must be able to fork.
    Ok(vec![Box::new(sysctl), Box::new(filler), Box::new(actor)])
}

/// A namespace within one whose ids are used up (6.14+): its own are free.
pub(super) fn outer_ids(stage: &mut Stage<'_>) -> Result<Keep> {
    if stage.place.kernel < (6, 14) {
        return Ok(Vec::new());
    }
    let most = stage.rng.between(305, 320);
    let own = stage.rng.between(310, 340);
    let plan: Vec<_> = (0..2).map(|_| stage.burst(60)).collect();
    let (mut actor, report) = Actor::start("t-outer", |link| {
        let outer = sys::enter_pid_namespace(0)?;
        sys::own_mounts()?;
        sys::mount("proc", Path::new("/proc"), "proc", "")?;
        fs::write("/proc/sys/kernel/pid_max", most.to_string()).context("write pid_max")?;
        let inode = sys::namespace("pid")?;
        sleeper::pass_reserved_ids()?;
        let (answer, asked) = std::os::unix::net::UnixStream::pair()?;
        // The one who asks is within; this one stays, and fills what is around it.
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        // SAFETY: the actor has one thread; the child goes on below and leaves by `exit`.
        let inner = unsafe { libc::fork() };
        sys::check(i64::from(inner), "fork into a pid namespace")?;
        if inner == 0 {
            sys::die_with_parent();
            sys::mount("proc", Path::new("/proc"), "proc", "")?;
            fs::write("/proc/sys/kernel/pid_max", own.to_string()).context("write pid_max")?;
            let (_sleepers, _) = sleepers::fill(Kind::PLAIN, (most + own) as usize);
            let refused: u64 = plan.iter().map(|burst| burst.play()).sum();
            use std::io::Write;
            (&answer).write_all(&refused.to_le_bytes())?;
            sys::sleep_for_ever();
        }
        link.ready(vec![outer as u64, inode]);
        let mut refused = [0; 8];
        use std::io::Read;
        (&asked).read_exact(&mut refused)?;
        link.ready(vec![u64::from_le_bytes(refused)]);
        Ok(())
    })?;
    // Whoever it is of them.
    let owner = format!("pid namespace {}", report.numbers[1]);
    stage.note(ANYONE, "pid_max", Some(owner));
    actor.go()?;
    stage.unknown(ANYONE);
    Ok(vec![Box::new(actor)])
}
