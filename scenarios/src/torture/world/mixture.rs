//! One process that several limits refuse in turn, within a second: what is counted must not be
//! mixed up.

use anyhow::Result;
use forktrace::provoke::sys;

use super::{Keep, NO_THREADS, Stage, caller, limit_of};
use crate::setting;

/// The limits, in the order of the kernel's checks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Full {
    User,
    Host,
    Child,
    Parent,
}

const ALL: [Full; 4] = [Full::User, Full::Host, Full::Child, Full::Parent];

/// The process waits while limits are changed: nothing happens at once.
pub(super) fn play(stage: &mut Stage<'_>) -> Result<Keep> {
    // The root user is over its limit and nobody minds.
    let exempt = stage.rng.chance(30);
    let uid = if exempt { 0 } else { stage.uid() };
    let tree = stage.tree("t-mix")?;
    let chain = stage.chain(&tree, "c", 2)?;
    let (parent, child) = (&chain[1], &chain[2]);
    let plan: Vec<_> = (0..stage.rng.between(4, 9))
        .map(|_| stage.burst(150))
        .collect();
    let threads = setting::keep("kernel/threads-max")?;
    let plenty = setting::read("kernel/threads-max")?;
    let (mut actor, _) = caller("t-mix", &plan, || {
        child.enter()?;
        if uid != 0 {
            sys::become_uid(uid)?;
        }
        Ok(Vec::new())
    })?;
    let pid = actor.pid();
    stage.uids.insert(pid as u32, uid);
    for _ in 0..plan.len() {
        let mut full: Vec<Full> = ALL.into_iter().filter(|_| stage.rng.chance(40)).collect();
        // The creator's own user: full for nobody.
        if full.iter().all(|full| *full == Full::User && exempt) {
            full.push(Full::Child);
        }
        let is = |what| full.contains(&what);
        limit_of(pid, if is(Full::User) { 1 } else { 10_000 })?;
        threads.change(if is(Full::Host) { NO_THREADS } else { plenty })?;
        let room = stage.rng.between(1, 3);
        stage.limit(child, if is(Full::Child) { 1 } else { 1 + room })?;
        stage.limit(parent, if is(Full::Parent) { 1 } else { 1 + room })?;
        match full.iter().find(|full| **full != Full::User || !exempt) {
            Some(Full::User) => stage.note(pid, "rlimit_nproc", Some(format!("uid {uid}"))),
            Some(Full::Host) => stage.note(pid, "threads_max", Some("host".to_owned())),
            Some(Full::Child) => stage.note(pid, "cgroup_pids_max", Some(child.shown())),
            _ => stage.note(pid, "cgroup_pids_max", Some(parent.shown())),
        }
        actor.go()?;
    }
    stage.unknown(pid);
    threads.change(plenty)?;
    Ok(vec![Box::new(actor), Box::new(threads), Box::new(tree)])
}
