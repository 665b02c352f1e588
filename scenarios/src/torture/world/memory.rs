//! Memory: promises under strict overcommit, and a memory cgroup that is full with nobody to kill.

use std::fs;
use std::io::Write;

use anyhow::Result;
use forktrace::provoke::{create, sys};

use super::{Burst, Keep, Stage, caller, limit_of};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt, short_of_memory};
use crate::machine;
use crate::scenario::memory::{ballast, fill, touch_everything, under, way_out};
use crate::scenario::pid_namespace_dead::outlive_namespace;
use crate::setting;

/// Mode 2, with room for a part of what the caller has. Parts of its address space aren't copied
/// (MADV_DONTFORK), and parts are promised though they can't be written to any more.
pub(super) fn overcommit(stage: &mut Stage<'_>) -> Result<Keep> {
    let uid = if stage.rng.chance(50) { 0 } else { stage.uid() };
    let (copied, kept) = (stage.rng.between(64, 128), stage.rng.between(0, 64));
    let read_only = stage.rng.chance(40);
    let count = stage.rng.between(2, 4);
    let plan: Vec<_> = (0..count)
        .map(|_| Burst {
            kind: *stage.rng.pick(Kind::COPIES),
            ..stage.burst(40)
        })
        .collect();
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let (mut actor, _) = caller("t-commit", &plan, || {
        if uid != 0 {
            sys::become_uid(uid)?;
        }
        let bytes = copied << 20;
        let large = sys::map(bytes)?;
        sys::map((kept + 1) << 20)?.not_for_children()?;
        if read_only {
            // Accounted once it was written to, and for good (newer kernels give a mapping back
            // that never was).
            large.touch_first();
            large.make_read_only(0, bytes as usize)?;
        }
        Ok(Vec::new())
    })?;
    stage.uids.insert(actor.pid() as u32, uid);
    let committed = machine::meminfo("Committed_AS")?;
    let room = committed + (copied << 20) / 2;
    fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    mode.change(2)?;
    for _ in 0..plan.len() {
        if uid != 0 && stage.rng.chance(30) {
            limit_of(actor.pid(), 1)?;
            stage.note(actor.pid(), "rlimit_nproc", Some(format!("uid {uid}")));
        } else {
            limit_of(actor.pid(), 10_000)?;
            stage.note(actor.pid(), "overcommit", Some("host".to_owned()));
        }
        actor.go()?;
    }
    mode.change(1)?;
    Ok(vec![Box::new(actor), Box::new(mode)])
}

/// A memory cgroup, the caller's or one above it, that is filled before each attempt.
pub(super) fn full(stage: &mut Stage<'_>) -> Result<Keep> {
    let Some(hierarchy) = stage.place.cgroups.memory() else {
        return Ok(Vec::new());
    };
    let tree = stage.tree("t-mem")?;
    let below = stage.rng.between(0, 3) as usize;
    let leaf = under(&tree, &hierarchy, below)?;
    for level in 0..=below {
        let names: Vec<String> = (1..=level).map(|n| format!("below-{n}")).collect();
        stage.know(&tree.at(&names)?)?;
    }
    let console = setting::set("kernel/printk", 1)?;
    let bytes = stage.rng.between(9, 14) << 20;
    fs::write(tree.top().dir.join("memory.max"), bytes.to_string())?;
    let kind = stage.kind();
    let count = stage.rng.between(4, 16);
    let (mut actor, _) = Actor::start("t-mem", |link| {
        touch_everything();
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        let leave = way_out(&hierarchy)?;
        let ballast = ballast()?;
        leaf.enter()?;
        short_of_memory();
        // One attempt that is granted has touched all that attempts touch.
        attempt(kind);
        link.step();
        let mut refused = 0;
        for _ in 0..count {
            fill(&ballast)?;
            refused += u64::from(attempt(kind).errno != 0);
        }
        // A report takes a page of a pipe, which is refused like the rest.
        (&leave).write_all(b"0")?;
        link.ready(vec![refused]);
        Ok(())
    })?;
    stage.note(actor.pid(), "cgroup_memory_max", Some(tree.top().shown()));
    actor.go()?;
    Ok(vec![Box::new(actor), Box::new(tree), Box::new(console)])
}

/// A memory cgroup that refuses within clone3, before a creation begins: its arguments can't be
/// read. What is refused later, outside of that cgroup, has another reason.
pub(super) fn before(stage: &mut Stage<'_>) -> Result<Keep> {
    let Some(hierarchy) = stage.place.cgroups.memory() else {
        return Ok(Vec::new());
    };
    let tree = stage.tree("t-stale")?;
    let home = tree.top();
    let console = setting::set("kernel/printk", 1)?;
    let bytes = stage.rng.between(9, 14) << 20;
    fs::write(home.dir.join("memory.max"), bytes.to_string())?;
    let count = stage.rng.between(1, 5) as u32;
    let (mut actor, report) = Actor::start("t-stale", |link| {
        let inode = outlive_namespace(0)?;
        // Each in a page table of its own, which is charged when it is first read.
        let far = sys::map((FAR_PAGES as u64) << 21)?;
        // What attempts touch.
        attempt(Kind::CloneProcess);
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        let leave = way_out(&hierarchy)?;
        let ballast = ballast()?;
        home.enter()?;
        let mut faults = 0;
        for n in 0..FAR_PAGES {
            fill(&ballast)?;
            // SAFETY: in a mapping of zeros that is not touched. Children go to a namespace that takes
            // none.
            let answer = unsafe { create::clone3_at(far.start() as usize + (n << 21)) };
            faults += u64::from(answer == -(libc::EFAULT as isize));
            if faults > 0 {
                break;
            }
        }
        (&leave).write_all(b"0")?;
        link.ready(vec![inode, faults]);
        let burst = Burst {
            kind: Kind::CloneProcess,
            count,
            pause: 0,
        };
        link.ready(vec![burst.play()]);
        Ok(())
    })?;
    let owner = format!("pid namespace {}", report.numbers[0]);
    stage.note(actor.pid(), "pid_namespace_dead", Some(owner));
    actor.go()?;
    Ok(vec![Box::new(actor), Box::new(tree), Box::new(console)])
}

const FAR_PAGES: usize = 200;
