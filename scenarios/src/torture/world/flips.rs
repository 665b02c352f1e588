//! Limits that another process changes while tasks are created.

use anyhow::Result;
use forktrace::provoke::sys;

use super::{Keep, NO_THREADS, Stage, caller, limit_of, meanwhile};
use crate::setting;

/// A limit that is full all the time, and one that is asked before it and goes to and fro.
pub(super) fn play(stage: &mut Stage<'_>) -> Result<Keep> {
    stage.race = true;
    let uid = stage.uid();
    let tree = stage.tree("t-flip")?;
    let chain = stage.chain(&tree, "f", 2)?;
    let (parent, child) = (&chain[1], &chain[2]);
    let threads = setting::keep("kernel/threads-max")?;
    let plenty = setting::read("kernel/threads-max")?;
    let mut burst = stage.burst(1);
    burst.count = stage.rng.between(80, 200) as u32;
    burst.pause = stage.rng.between(0, 2) * 300;
    let (actor, _) = caller("t-flip", &[burst], || {
        child.enter()?;
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })?;
    let pid = actor.pid();
    stage.uids.insert(pid as u32, uid);
    let (flipped, full) = *stage.rng.pick(&[
        ("user", "host"),
        ("user", "child"),
        ("host", "child"),
        ("host", "parent"),
        ("child", "parent"),
    ]);
    let mut set = |what: &str, is_full: bool| -> Result<()> {
        match what {
            "user" => limit_of(pid, if is_full { 1 } else { 10_000 }),
            "host" => Ok(threads.change(if is_full { NO_THREADS } else { plenty })?),
            "child" => stage.limit(child, if is_full { 1 } else { 1000 }),
            _ => stage.limit(parent, if is_full { 1 } else { 1000 }),
        }
    };
    set(full, true)?;
    let mut on = false;
    let mut callers = vec![actor];
    meanwhile(&mut callers, || {
        on = !on;
        set(flipped, on)
    })?;
    threads.change(plenty)?;
    Ok(vec![Box::new(callers), Box::new(threads), Box::new(tree)])
}
