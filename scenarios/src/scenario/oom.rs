//! OOM kills, which are no failures and are recorded beside them: in a memory cgroup of one's own, in
//! one two levels below the one that is limited, with all that live there, and on the whole host.

use std::fs;

use anyhow::{Context, Result, bail};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::Constraint;

use super::{Place, Reach, Run, Scenario, memory, skip};
use crate::actor::{Actor, Link};
use crate::cgroup::{Cgroup, Hierarchies, Tree};
use crate::oom::WantedKill;
use crate::setting;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "oom_own_16m",
        reach: Reach::Own,
        run: |place| alone(place, "oo", 16 << 20, 0, 1),
    },
    Scenario {
        name: "oom_grandparent_22m_threads",
        reach: Reach::Own,
        run: |place| alone(place, "og", 22 << 20, 2, 4),
    },
    Scenario {
        name: "oom_group",
        reach: Reach::Own,
        run: group,
    },
    Scenario {
        name: "oom_killed_by_hand",
        reach: Reach::Own,
        run: by_hand,
    },
    Scenario {
        name: "oom_sysrq",
        reach: Reach::Host,
        run: sysrq,
    },
];

const SCORE: i32 = 300;

/// A tree with a limit at its top, and the cgroup `below` levels under that.
fn limited(place: &Place, tag: &str, bytes: u64, below: usize) -> Result<(Limited, Cgroup)> {
    let hierarchy = memory::hierarchy(place)?;
    if fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1) {
        return skip("there is swap: memory that is full is swapped out first");
    }
    let tree = hierarchy.tree(tag)?;
    let top = tree.top();
    if !hierarchy.pids_is_v2 {
        // Before it has cgroups below it; always on since 5.11, then read-only.
        let _ = fs::write(top.dir.join("memory.use_hierarchy"), "1");
    }
    let leaf = memory::under(&tree, &hierarchy, below)?;
    let name = memory::limit_name(&hierarchy);
    memory::set(&top.dir.join(name), bytes)?;
    let limited = Limited {
        limit: (name, top.shown(), bytes),
        hierarchy,
        tree,
    };
    Ok((limited, leaf))
}

struct Limited {
    hierarchy: Hierarchies,
    tree: Tree,
    limit: (&'static str, String, u64),
}

impl Limited {
    fn kill(&self, victim: &Actor, leaf: &Cgroup, uid: u32, by: &Actor) -> WantedKill {
        WantedKill {
            pid: victim.pid() as u32,
            comm: victim.comm(),
            uid,
            score_adj: SCORE,
            cgroup: self.hierarchy.pids_is_v2.then(|| leaf.shown()),
            constraint: Constraint::Memcg,
            limit: Some(self.limit.clone()),
            by: Some(by.pid() as u32),
        }
    }
}

/// Goes where the limit is, as a user, and waits for the word.
fn enter(link: &Link, leaf: &Cgroup, uid: u32) -> Result<()> {
    fs::write("/proc/self/oom_score_adj", SCORE.to_string())?;
    leaf.enter()?;
    sys::become_uid(uid)?;
    link.step();
    Ok(())
}

/// Touches so many bytes, which nobody else has.
fn touch(bytes: u64) -> Result<()> {
    sys::map(bytes)?.touch();
    Ok(())
}

/// Fails if the victim lives to answer.
fn dies(victim: &mut Actor) -> Result<()> {
    match victim.hear() {
        Ok(_) => bail!("{} was not killed", victim.comm()),
        Err(error) if error.to_string().contains("wait status 0x9") => Ok(()),
        Err(error) => Err(error),
    }
}

/// One process with so many threads, which take memory until it is killed.
fn alone(place: &Place, tag: &str, bytes: u64, below: usize, threads: u64) -> Result<Run> {
    let (limited, leaf) = limited(place, tag, bytes, below)?;
    let uid = place.uid(61);
    let (mut victim, _) = Actor::start(format!("{tag}-fat"), |link| {
        enter(link, &leaf, uid)?;
        let share = 4 * bytes / threads;
        let helpers: Vec<_> = (1..threads)
            .map(|_| std::thread::spawn(move || touch(share)))
            .collect();
        touch(share)?;
        for helper in helpers {
            let _ = helper.join();
        }
        link.step();
        Ok(())
    })?;
    let mut run = Run::default();
    run.kills.push(limited.kill(&victim, &leaf, uid, &victim));
    victim.send()?;
    dies(&mut victim)?;
    run.keep(victim);
    run.keep(limited.tree);
    Ok(run)
}

/// memory.oom.group: who lives in the cgroup goes with the victim.
fn group(place: &Place) -> Result<Run> {
    let (limited, leaf) = limited(place, "ogr", 26 << 20, 0)?;
    if !limited.hierarchy.pids_is_v2 {
        return skip("v1 has no memory.oom.group");
    }
    memory::set(&leaf.dir.join("memory.oom.group"), 1)?;
    let uid = place.uid(62);
    let start = |name: &str, bytes: u64| {
        Actor::start(name, |link| {
            enter(link, &leaf, uid)?;
            touch(bytes)?;
            link.step();
            Ok(())
        })
    };
    let (mut fat, _) = start("ogr-fat", 100 << 20)?;
    let (mut thin, _) = start("ogr-thin", 1 << 20)?;
    thin.go()?;
    let mut run = Run::default();
    for victim in [&fat, &thin] {
        run.kills.push(limited.kill(victim, &leaf, uid, &fat));
    }
    fat.send()?;
    dies(&mut fat)?;
    dies(&mut thin)?;
    run.keep((fat, thin));
    run.keep(limited.tree);
    Ok(run)
}

/// SIGKILL of somebody's own is no OOM kill, however near the limit.
fn by_hand(place: &Place) -> Result<Run> {
    let (limited, leaf) = limited(place, "ob", 24 << 20, 0)?;
    let uid = place.uid(63);
    let (mut victim, _) = Actor::start("ob-fat", |link| {
        enter(link, &leaf, uid)?;
        touch(12 << 20)?;
        link.step();
        Ok(())
    })?;
    victim.go()?;
    let mut run = Run::default();
    run.unkilled.push(victim.pid() as u32);
    run.quiet.push(victim.pid() as u32);
    sys::kill(victim.pid(), Signal::KILL);
    dies(&mut victim)?;
    run.keep(victim);
    run.keep(limited.tree);
    Ok(run)
}

/// Sysrq has the kernel kill somebody, whatever memory is free: who is marked for it.
fn sysrq(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("os")?;
    let leaf = tree.top();
    let uid = place.uid(64);
    let (mut victim, _) = Actor::start("os-fat", |link| {
        fs::write("/proc/self/oom_score_adj", "1000")?;
        leaf.enter()?;
        sys::become_uid(uid)?;
        touch(64 << 20)?;
        link.step();
        link.step();
        Ok(())
    })?;
    let mut run = Run::default();
    run.kills.push(WantedKill {
        pid: victim.pid() as u32,
        comm: victim.comm(),
        uid,
        score_adj: 1000,
        cgroup: place.cgroups.pids_is_v2.then(|| leaf.shown()),
        constraint: Constraint::None,
        limit: None,
        by: None,
    });
    let before = setting::set("kernel/sysrq", 1)?;
    fs::write("/proc/sysrq-trigger", "f").context("ask for an OOM kill (sysrq f)")?;
    dies(&mut victim)?;
    run.keep(victim);
    run.keep(before);
    run.keep(tree);
    Ok(run)
}
