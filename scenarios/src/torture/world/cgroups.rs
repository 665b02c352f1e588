//! pids.max: of many cgroups one within the other, and of a cgroup that is left while forking.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::Result;

use super::{Keep, Stage, caller, meanwhile, move_to};
use crate::actor::Actor;
use crate::attempt::attempt_into_cgroup;
use crate::cgroup::Cgroup;
use crate::sleepers::Sleepers;

/// 1 to 80 cgroups deep, several limits full or nearly so; the nearest to the caller refuses.
pub(super) fn nested(stage: &mut Stage<'_>) -> Result<Keep> {
    let depth = if stage.rng.chance(60) {
        stage.rng.between(1, 12)
    } else {
        stage.rng.between(25, 80)
    };
    let tree = stage.tree("t-nest")?;
    let chain = stage.chain(&tree, "d", depth)?;
    let home = &chain[depth as usize];
    let plan: Vec<_> = (0..stage.rng.between(2, 6))
        .map(|_| stage.burst(120))
        .collect();
    let others = stage.rng.between(0, 3);
    let sleepers = Sleepers::start(others, || Ok(home.enter()?))?;
    let (mut actor, _) = caller("t-nest", &plan, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    let used = others + 1;
    for _ in 0..plan.len() {
        for cgroup in &chain {
            if stage.limited.contains(&cgroup.shown()) {
                cgroup.unlimit()?;
            }
        }
        // Some with room for one or two more, some full, and one that is full in any case.
        for _ in 0..stage.rng.between(1, 4) {
            let level = stage.rng.between(0, depth) as usize;
            let room = stage.rng.between(0, 2);
            stage.limit(&chain[level], used + room)?;
        }
        let level = stage.rng.between(0, depth) as usize;
        let tasks = stage.rng.between(0, used);
        stage.limit(&chain[level], tasks)?;
        let nearest = last_full(&chain, used)?;
        stage.note(actor.pid(), "cgroup_pids_max", Some(chain[nearest].shown()));
        actor.go()?;
    }
    Ok(vec![Box::new(actor), Box::new(sleepers), Box::new(tree)])
}

/// The nearest to the leaf that has no room.
fn last_full(chain: &[Cgroup], used: u64) -> Result<usize> {
    for (level, cgroup) in chain.iter().enumerate().rev() {
        if limit(cgroup)? <= used {
            return Ok(level);
        }
    }
    anyhow::bail!("no cgroup is full")
}

fn limit(cgroup: &Cgroup) -> Result<u64> {
    let text = std::fs::read_to_string(cgroup.limit_file())?;
    Ok(text.trim().parse().unwrap_or(u64::MAX))
}

/// Two cgroups, at least one full, and callers that are moved to and fro.
pub(super) fn moved(stage: &mut Stage<'_>) -> Result<Keep> {
    stage.race = true;
    let tree = stage.tree("t-move")?;
    let (deep_a, deep_b) = (stage.rng.between(1, 4), stage.rng.between(1, 4));
    let a = stage.chain(&tree, "a", deep_a)?;
    let b = stage.chain(&tree, "b", deep_b)?;
    let (home_a, home_b) = (&a[deep_a as usize], &b[deep_b as usize]);
    let full = stage.rng.between(1, deep_a) as usize;
    stage.limit(&a[full], 0)?;
    match stage.rng.between(0, 2) {
        0 => {}
        1 => stage.limit(home_b, 100)?,
        _ => stage.limit(home_b, 0)?,
    }
    let mut callers = Vec::new();
    for n in 0..stage.rng.between(1, 3) {
        let mut burst = stage.burst(1);
        burst.count = stage.rng.between(60, 160) as u32;
        let (actor, _) = caller(&format!("t-move-{n}"), &[burst], || {
            home_a.enter()?;
            Ok(Vec::new())
        })?;
        callers.push(actor);
    }
    let pids: Vec<i32> = callers.iter().map(|caller| caller.pid()).collect();
    let mut there = false;
    meanwhile(&mut callers, || {
        there = !there;
        for pid in &pids {
            move_to(if there { home_b } else { home_a }, *pid)?;
        }
        Ok(())
    })?;
    Ok(vec![Box::new(callers), Box::new(tree)])
}

/// Children that are to be born in another cgroup: that one and those above it are charged, and the
/// caller's own limit is asked by nobody.
pub(super) fn into_another(stage: &mut Stage<'_>) -> Result<Keep> {
    let tree = stage.tree("t-into")?;
    let own = stage.chain(&tree, "o", 1)?;
    let depth = stage.rng.between(1, 6);
    let other = stage.chain(&tree, "i", depth)?;
    let counts: Vec<u64> = (0..3).map(|_| stage.rng.between(1, 40)).collect();
    let (home, target) = (&own[1], &other[depth as usize]);
    let (mut actor, _) = Actor::start("t-into", |link| {
        home.enter()?;
        let target = File::open(&target.dir)?;
        link.step();
        for count in &counts {
            let tried = (0..*count).map(|_| attempt_into_cgroup(target.as_raw_fd()));
            let refused = tried.filter(|tried| tried.errno != 0).count();
            link.ready(vec![refused as u64]);
        }
        Ok(())
    })?;
    for _ in 0..counts.len() {
        let own_room = stage.rng.between(0, 1);
        stage.limit(home, 1 + own_room)?;
        let full = stage.rng.between(1, depth) as usize;
        for cgroup in &other[1..] {
            cgroup.unlimit()?;
        }
        stage.limit(&other[full], 0)?;
        stage.note(actor.pid(), "cgroup_pids_max", Some(other[full].shown()));
        actor.go()?;
    }
    Ok(vec![Box::new(actor), Box::new(tree)])
}
