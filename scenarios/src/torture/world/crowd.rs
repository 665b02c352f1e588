//! Many at once, at a limit with room for one or none: who is refused is decided by who is first.

use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use forktrace::provoke::sys;

use super::{Burst, Keep, NO_THREADS, Stage, caller, limit_of, meanwhile};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::machine::settled_tasks_on_host;
use crate::setting;

/// Callers of one user in one cgroup, that take each other's room.
pub(super) fn play(stage: &mut Stage<'_>) -> Result<Keep> {
    stage.race = true;
    let uid = stage.uid();
    let tree = stage.tree("t-crowd")?;
    let chain = stage.chain(&tree, "w", 1)?;
    let home = &chain[1];
    let threads = setting::keep("kernel/threads-max")?;
    let plenty = setting::read("kernel/threads-max")?;
    let count = stage.rng.between(2, 4);
    let room = stage.rng.between(0, 1);
    let by = stage.rng.between(0, 3);
    let limit = if by == 0 { count + room } else { 10_000 };
    let mut callers = Vec::new();
    for n in 0..count {
        let burst = Burst {
            kind: stage.kind(),
            count: stage.rng.between(60, 150) as u32,
            pause: stage.rng.between(0, 1) * 200,
        };
        let (actor, _) = caller(&format!("t-crowd-{n}"), &[burst], || {
            home.enter()?;
            sys::limit_nproc(limit, limit)?;
            sys::become_uid(uid)?;
            Ok(Vec::new())
        })?;
        stage.uids.insert(actor.pid() as u32, uid);
        callers.push(actor);
    }
    match by {
        0 => {}
        1 => stage.limit(home, count + room)?,
        2 => stage.limit(&chain[0], count + room)?,
        _ => threads.change(settled_tasks_on_host()? + room)?,
    }
    meanwhile(&mut callers, || {
        std::thread::sleep(std::time::Duration::from_millis(2));
        Ok(())
    })?;
    threads.change(plenty)?;
    Ok(vec![Box::new(callers), Box::new(threads), Box::new(tree)])
}

/// Processes that live for one refusal each, of one user or of many.
pub(super) fn many(stage: &mut Stage<'_>) -> Result<Keep> {
    let tree = stage.tree("t-many")?;
    let home = tree.top();
    let users = stage.rng.chance(50);
    let count = stage.rng.between(60, 200) as u32;
    let first = stage.uid();
    for _ in 0..count {
        stage.uid();
    }
    let (mut actor, _) = Actor::start("t-many", |link| {
        home.enter()?;
        link.step();
        let mut refused = 0;
        for n in 0..count {
            refused += u64::from(short_life(if users { Some(first + n) } else { None })?);
        }
        link.ready(vec![refused]);
        Ok(())
    })?;
    if !users {
        stage.limit(&home, 2)?;
    }
    actor.go()?;
    Ok(vec![Box::new(actor), Box::new(tree)])
}

/// A process that is refused once: by its user's limit, or by its cgroup.
fn short_life(uid: Option<u32>) -> Result<bool> {
    let child = sys::child("fork of a short life", || {
        if let Some(uid) = uid
            && (sys::limit_nproc(1, 1).is_err() || sys::become_uid(uid).is_err())
        {
            return 2;
        }
        let refused = attempt(Kind::PLAIN).errno != 0;
        i32::from(!refused)
    })?;
    let status = sys::reap(child).context("wait for a short life")?;
    Ok(status == 0)
}

/// Threads of one large process, that wait for each other's copies of it inside `copy_process()`,
/// while another process is refused: what sees returns must have a place for all of them.
pub(super) fn waiting(stage: &mut Stage<'_>) -> Result<Keep> {
    stage.race = true;
    let threads = stage.rng.between(8, 24);
    let bytes = stage.rng.between(16, 48) << 20;
    let uid = stage.uid();
    let mut bursts = vec![stage.burst(1)];
    bursts[0].count = stage.rng.between(40, 80) as u32;
    bursts[0].pause = 4000;
    let (actor, _) = caller("t-refused", &bursts, || {
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })?;
    let pid = actor.pid();
    stage.uids.insert(pid as u32, uid);
    // At times the large process is refused too, after its address space was copied.
    let tree = stage.tree("t-wait")?;
    let home = tree.top();
    let full = stage.rng.chance(50);
    let (mut large, _) = Actor::start("t-large", |link| {
        home.enter()?;
        sys::map(bytes)?.touch();
        let stop = sys::shared_counter()?;
        let go = || stop.load(Ordering::Relaxed) == 0;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while go() {
                        if attempt(Kind::CloneProcess).errno != 0 {
                            std::thread::sleep(std::time::Duration::from_millis(10));
                        }
                    }
                });
            }
            link.step();
            stop.store(1, Ordering::Relaxed);
        });
        link.step();
        Ok(())
    })?;
    if full {
        stage.limit(&home, 1)?;
    }
    let host = setting::keep("kernel/threads-max")?;
    if stage.rng.chance(50) {
        limit_of(pid, 1)?;
    } else {
        host.change(NO_THREADS)?;
    }
    let mut callers = vec![actor];
    meanwhile(&mut callers, || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        Ok(())
    })?;
    large.go()?;
    Ok(vec![
        Box::new(host),
        Box::new(large),
        Box::new(callers),
        Box::new(tree),
    ])
}
