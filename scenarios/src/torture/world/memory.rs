//! Memory: promises under strict overcommit, and a memory cgroup that is full with nobody to kill.

use std::fs;
use std::io::Write;

use anyhow::Result;

use super::{Burst, Keep, Stage, caller, limit_of};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt, short_of_memory};
use crate::scenario::memory::{ballast, fill, touch_everything, under, way_out};
use crate::sys::{self, Sysctl};

/// Mode 2, with room for a part of what the caller has. Parts of its address space aren't copied
/// (MADV_DONTFORK), and parts are promised though they can't be written to any more.
pub fn overcommit(stage: &mut Stage<'_>) -> Result<Keep> {
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
    let mode = Sysctl::set("vm/overcommit_memory", 1)?;
    let (mut actor, _) = caller("t-commit", &plan, || {
        if uid != 0 {
            sys::become_uid(uid)?;
        }
        let at = sys::map((copied << 20) as usize)?;
        let other = sys::map(((kept + 1) << 20) as usize)?;
        // SAFETY: this function's own mappings, which nobody looks into.
        unsafe {
            libc::madvise(
                other.cast(),
                ((kept + 1) << 20) as usize,
                libc::MADV_DONTFORK,
            );
            if read_only {
                // Accounted once it was writable, and for good.
                libc::mprotect(at.cast(), (copied << 20) as usize, libc::PROT_READ);
            }
        }
        Ok(Vec::new())
    })?;
    stage.uids.insert(actor.pid() as u32, uid);
    let committed = sys::meminfo("Committed_AS")?;
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
pub fn full(stage: &mut Stage<'_>) -> Result<Keep> {
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
    let console = Sysctl::set("kernel/printk", 1)?;
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
