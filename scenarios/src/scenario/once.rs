//! Exactly once: every refusal is counted, by a record or in the count of a
//! `repeat`, and none twice, however fast they come.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Resource};

use super::{Place, Reach, Run, Scenario, must_fail};
use crate::actor::{Actor, Prober};
use crate::attempt::{Attempt, Kind, attempts};
use crate::bpf;
use crate::expect::{Expect, Number, WantedLimit};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "once_40_of_one_thread",
        reach: Reach::Own,
        run: one_thread,
    },
    Scenario {
        name: "once_40_nproc",
        reach: Reach::Own,
        run: one_user,
    },
    Scenario {
        name: "once_8_threads",
        reach: Reach::Own,
        run: many_threads,
    },
];

pub(super) const BESIDE_MAPS: &[Scenario] = &[Scenario {
    name: "once_8_threads_beside_maps",
    reach: Reach::Host,
    run: many_threads_beside_maps,
}];

fn one_thread(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("o40")?;
    let home = tree.top();
    let mut run = Run::default();
    for kind in Kind::ALL {
        let mut caller = [Prober::start(
            &format!("o40-{}", kind.label()),
            *kind,
            40,
            || {
                home.enter()?;
                Ok(Vec::new())
            },
        )?];
        home.limit(1)?;
        run.fire(&mut caller, |p, a| {
            Expect::of(&p.actor, a, Cause::CgroupPidsMax)
                .limit(WantedLimit::pids(&home, 1, 1))
                .within(&place.cgroups, &home)
        })?;
        home.unlimit()?;
        for expect in &mut run.expects {
            // By the time of a look the limit has been taken away.
            if let Some(limit) = &mut expect.limit {
                limit.file = None;
            }
        }
        let [caller] = caller;
        // Elsewhere from now on, so that the next is alone again.
        std::fs::write(
            place.cgroups.pids.join("cgroup.procs"),
            caller.actor.pid().to_string(),
        )?;
        run.keep(caller);
    }
    run.keep(tree);
    Ok(run)
}

fn one_user(place: &Place) -> Result<Run> {
    let uid = place.uid(70);
    let mut run = Run::default();
    let mut caller = [Prober::start("o40-nproc", Kind::PLAIN, 40, || {
        sys::limit_nproc(1, 1)?;
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })?];
    run.fire(&mut caller, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 1, 1))
    })?;
    run.keep(caller);
    Ok(run)
}

/// While others read BPF maps without a break: where the kernel preempts
/// itself, one that is preempted at that keeps the kprobes of its CPU from
/// running (kernel/bpf/syscall.c `bpf_disable_instrumentation`).
fn many_threads_beside_maps(place: &Place) -> Result<Run> {
    let readers = (0..2)
        .map(|_| {
            let (mut reader, _) = Actor::start("map-reader", |link| {
                // Up to 5.10 maps are locked memory.
                sys::limit(Resource::Memlock, sys::INFINITY, sys::INFINITY)?;
                let map = bpf::Map::new()?;
                link.step();
                loop {
                    map.read()?;
                }
            })?;
            reader.send()?;
            Ok(reader)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut run = Run::default();
    for name in ["o8-a", "o8-b", "o8-c"] {
        storm(place, name, &mut run)?;
    }
    drop(readers);
    Ok(run)
}

fn many_threads(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    storm(place, "o8", &mut run)?;
    Ok(run)
}

fn storm(place: &Place, name: &str, run: &mut Run) -> Result<()> {
    const THREADS: usize = 8;
    let tree = place.cgroups.tree(name)?;
    let home = tree.top();
    let (mut caller, _) = Actor::start("o8-threads", |link| {
        home.enter()?;
        let start = std::sync::Barrier::new(THREADS + 1);
        let end = std::sync::Barrier::new(THREADS + 1);
        let all: Vec<Attempt> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        let tried = attempts(Kind::CloneThread, 25);
                        // None ends while another still tries.
                        end.wait();
                        tried
                    })
                })
                .collect();
            link.step();
            start.wait();
            end.wait();
            threads
                .into_iter()
                .flat_map(|t| t.join().unwrap_or_default())
                .collect()
        });
        link.ready(all);
        Ok(())
    })?;
    let tasks = THREADS as u64 + 1;
    home.limit(tasks)?;
    let attempts = caller.go()?.attempts;
    must_fail(&attempts)?;
    for a in &attempts {
        let mut limit = WantedLimit::pids(&home, tasks, tasks);
        // Another thread's charge is on the counter until it is taken back.
        limit.usage = Number::AtLeast(tasks);
        run.expects.push(
            Expect::of(&caller, a, Cause::CgroupPidsMax)
                .limit(limit)
                .within(&place.cgroups, &home),
        );
    }
    run.keep(caller);
    run.keep(tree);
    Ok(())
}
