//! `cgroup_pids_max`: what happens to the cgroup, to the caller and to its CPU between the refusal and the
//! failing return, while the kernel clears away what is half made.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Pinned};

use super::{Place, Reach, Run, Scenario, must_fail, skip};
use crate::actor::{Actor, PATIENCE};
use crate::attempt::{Attempt, Kind, attempt};
use crate::cgroup::{Cgroup, Tree};
use crate::expect::Expect;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pids_moved_and_removed",
        reach: Reach::Own,
        run: moved_and_removed,
    },
    Scenario {
        name: "pids_on_many_processors",
        reach: Reach::Own,
        run: many_processors,
    },
];

/// While the kernel clears away what is half made, the caller is moved, the cgroup that has refused is
/// removed, and others come, which can get its memory. No record may have anything of those.
fn moved_and_removed(place: &Place) -> Result<Run> {
    const ROUNDS: u64 = 4;
    let mut run = Run::default();
    let tree = place.cgroups.tree("pigone")?;
    let elsewhere = tree.at(&["elsewhere"])?;
    let (mut caller, _) = Actor::start("pi-gone", |link| {
        slow_to_clear(&elsewhere, 0)?;
        link.step();
        for _ in 0..ROUNDS {
            link.ready(vec![attempt(Kind::PLAIN)]);
        }
        Ok(())
    })?;
    for round in 0..ROUNDS {
        let refusing = tree.at(&[format!("refusing{round}")])?;
        refusing.limit(1)?;
        move_into(&refusing, caller.pid())?;
        caller.send()?;
        hold_up(caller.pid(), &refusing, &elsewhere, &tree, round)?;
        let attempts = caller.hear()?.attempts;
        must_fail(&attempts)?;
        for a in &attempts {
            let mut either = place.cgroups.caller_paths(&refusing.shown());
            either.extend(place.cgroups.caller_paths(&elsewhere.shown()));
            run.expects.push(
                Expect::of(&caller, a, Cause::CgroupPidsMax)
                    .within_one_of(either)
                    .never("later-")
                    .may_be_unknown(),
            );
        }
    }
    run.keep(caller);
    run.keep(tree);
    Ok(run)
}

/// Waits until the cgroup has refused the caller, and does what it is to find out of the kernel.
fn hold_up(
    caller: i32,
    refusing: &Cgroup,
    elsewhere: &Cgroup,
    tree: &Tree,
    round: u64,
) -> Result<()> {
    const OTHERS: u64 = 12;
    /// In which a removed cgroup's memory is given back: after two grace periods of RCU, and by workers.
    const GIVEN_BACK: Duration = Duration::from_millis(400);
    // Of one CPU, whoever is not idle has all of it.
    let _pinned = Pinned::to(0)?;
    await_refusal(refusing)?;
    move_into(elsewhere, caller)?;
    fs::remove_dir(&refusing.dir).context("removing the cgroup that has refused")?;
    let busy = Instant::now();
    while busy.elapsed() < GIVEN_BACK {
        std::hint::spin_loop();
    }
    for other in 0..OTHERS {
        tree.at(&[format!("later-{round}-{other}")])?;
    }
    Ok(())
}

/// Waits until a task of the cgroup was refused by it for the first time.
fn await_refusal(cgroup: &Cgroup) -> Result<()> {
    // Both hierarchies have this file, and in both this cgroup has it of this refusal.
    let events = cgroup.dir.join("pids.events");
    let began = Instant::now();
    while !fs::read_to_string(&events)?.contains("max 1") && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_micros(500));
    }
    Ok(())
}

/// A process with so much memory that clearing a half-made child away takes a while, and that runs on this CPU
/// when nobody else wants to.
fn slow_to_clear(cgroup: &Cgroup, cpu: usize) -> Result<()> {
    const BYTES: u64 = 64 << 20;
    cgroup.enter()?;
    let memory = sys::map(BYTES)?;
    memory.of_small_pages()?;
    memory.touch();
    sys::pin(cpu)?;
    Ok(sys::sched_idle()?)
}

/// What a refusal leaves for its return is there still when others are refused meanwhile on the same CPU, where
/// many CPUs have had refusals before.
fn many_processors(place: &Place) -> Result<Run> {
    /// More than 128 entries for each CPU make of the 1024 that there were at least.
    const CPUS: usize = 9;
    let cpus = thread::available_parallelism()?.get();
    if cpus <= CPUS {
        return skip("this takes ten processors");
    }
    let last = cpus - 1;
    let mut run = Run::default();
    let tree = place.cgroups.tree("pimany")?;
    let full = tree.at(&["full"])?;
    let refused = |cpu: usize| {
        let (actor, _) = Actor::start("pi-many", |link| {
            full.enter()?;
            sys::pin(cpu)?;
            link.step();
            for _ in 0..2 {
                link.ready(vec![attempt(Kind::PLAIN)]);
            }
            Ok(())
        })?;
        Ok(actor)
    };
    let actors = (0..cpus).map(refused).collect::<Result<Vec<Actor>>>();
    let mut actors = actors?;
    full.limit(actors.len() as u64)?;
    let mut expect = |actor: &Actor, attempts: &[Attempt]| {
        must_fail(attempts)?;
        let of = |a| Expect::of(actor, a, Cause::CgroupPidsMax).may_be_unknown();
        run.expects.extend(attempts.iter().map(of));
        Ok::<_, anyhow::Error>(())
    };
    for actor in &mut actors[..last] {
        let attempts = actor.go()?.attempts;
        expect(actor, &attempts)?;
    }
    let slow = tree.at(&["slow"])?;
    let (mut caller, _) = Actor::start("pi-slow", |link| {
        slow_to_clear(&slow, last)?;
        link.step();
        link.ready(vec![attempt(Kind::PLAIN)]);
        Ok(())
    })?;
    slow.limit(1)?;
    caller.send()?;
    {
        let _pinned = Pinned::to(last)?;
        await_refusal(&slow)?;
        for _ in 0..2 {
            let attempts = actors[last].go()?.attempts;
            expect(&actors[last], &attempts)?;
        }
    }
    let attempts = caller.hear()?.attempts;
    expect(&caller, &attempts)?;
    run.keep(caller);
    for actor in actors {
        run.keep(actor);
    }
    run.keep(tree);
    Ok(run)
}

fn move_into(cgroup: &Cgroup, pid: i32) -> Result<()> {
    fs::write(cgroup.dir.join("cgroup.procs"), pid.to_string())
        .with_context(|| format!("moving a process into {}", cgroup.dir.display()))
}
