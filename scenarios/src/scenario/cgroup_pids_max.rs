//! `cgroup_pids_max`: a cgroup on the way up has as many tasks as its
//! `pids.max` allows.

use std::fs::File;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, must_fail, probers, skip};
use crate::actor::{Actor, Prober};
use crate::attempt::{Kind, attempt_into_cgroup};
use crate::cgroup::Cgroup;
use crate::expect::{Expect, WantedLimit};
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "pids_own_7",
        reach: Reach::Own,
        run: |place| own(place, "pi7", 7),
    },
    Scenario {
        name: "pids_own_19",
        reach: Reach::Own,
        run: |place| own(place, "pi19", 19),
    },
    Scenario {
        name: "pids_user",
        reach: Reach::Own,
        run: user,
    },
    Scenario {
        name: "pids_three_uids",
        reach: Reach::Own,
        run: three_uids,
    },
    Scenario {
        name: "pids_parent",
        reach: Reach::Own,
        run: parent,
    },
    Scenario {
        name: "pids_great_grandparent",
        reach: Reach::Own,
        run: |place| ancestor(place, "pa5", 5, 1, 9),
    },
    Scenario {
        name: "pids_ancestor_of_seven",
        reach: Reach::Own,
        run: |place| ancestor(place, "pa7", 7, 2, 12),
    },
    Scenario {
        name: "pids_lowered_below_use",
        reach: Reach::Own,
        run: lowered,
    },
    Scenario {
        name: "pids_clone_into_cgroup",
        reach: Reach::Own,
        run: into_cgroup,
    },
    Scenario {
        name: "pids_clone_into_cgroup_ancestor",
        reach: Reach::Own,
        run: into_cgroup_below,
    },
    Scenario {
        name: "pids_cgroup_namespace",
        reach: Reach::Own,
        run: namespace,
    },
    Scenario {
        name: "pids_25_levels",
        reach: Reach::Own,
        run: deep,
    },
    Scenario {
        name: "pids_long_names",
        reach: Reach::Own,
        run: long_names,
    },
    Scenario {
        name: "pids_odd_names",
        reach: Reach::Own,
        run: odd_names,
    },
    Scenario {
        name: "pids_counts_threads",
        reach: Reach::Own,
        run: threads,
    },
];

/// Fills `limited` to its limit with callers and sleepers in `home` and fires.
fn fill_and_fire(
    place: &Place,
    tag: &str,
    home: &Cgroup,
    limited: &Cgroup,
    limit: u64,
    setup: impl Fn() -> Result<()>,
) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers(tag, Kind::ALL, place.count, || {
        home.enter()?;
        setup()
    })?;
    let sleepers = Sleepers::start(limit - callers.len() as u64, || Ok(home.enter()?))?;
    limited.limit(limit)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(limited, limit, limit))
            .within(&place.cgroups, home)
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

fn own(place: &Place, tag: &str, limit: u64) -> Result<Run> {
    let tree = place.cgroups.tree(tag)?;
    let home = tree.top();
    let mut run = fill_and_fire(place, tag, &home, &home, limit, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

/// An ordinary user's tasks.
fn user(place: &Place) -> Result<Run> {
    let uid = place.uid(10);
    let tree = place.cgroups.tree("piu")?;
    let home = tree.top();
    let mut run = fill_and_fire(place, "piu", &home, &home, 6, || Ok(sys::become_uid(uid)?))?;
    for expect in &mut run.expects {
        expect.uid = uid;
    }
    run.keep(tree);
    Ok(run)
}

/// Real, effective and saved uid are three.
fn three_uids(place: &Place) -> Result<Run> {
    let [real, effective, saved] = [11, 12, 13].map(|n| place.uid(n));
    let tree = place.cgroups.tree("pi3")?;
    let home = tree.top();
    let mut run = fill_and_fire(place, "pi3", &home, &home, 5, || {
        sys::no_groups()?;
        Ok(sys::become_uids(real, effective, saved)?)
    })?;
    for expect in &mut run.expects {
        (expect.uid, expect.euid) = (real, Some(effective));
    }
    run.keep(tree);
    Ok(run)
}

fn parent(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pip")?;
    let home = tree.at(&["home"])?;
    let mut run = fill_and_fire(place, "pip", &home, &tree.top(), 8, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

/// A limit `levels` up is full; below it one has room for one more, another is
/// hardly used, and a sibling is over its limit without any say.
fn ancestor(place: &Place, tag: &str, levels: usize, at: usize, limit: u64) -> Result<Run> {
    let tree = place.cgroups.tree(tag)?;
    let names: Vec<String> = (0..levels).map(|n| format!("level-{n}")).collect();
    let home = tree.at(&names)?;
    let limited = tree.at(&names[..at])?;
    tree.top().limit(limit + 1)?;
    tree.at(&names[..=at])?.limit(limit * 50)?;
    tree.at(&names[..at + 2])?.limit(limit + 1)?;
    let sibling = tree.at(&["sibling"])?;
    sibling.limit(0)?;
    let mut run = fill_and_fire(place, tag, &home, &limited, limit, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

fn lowered(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pil")?;
    let home = tree.top();
    let mut run = Run::default();
    let mut callers = probers("pil", Kind::ALL, place.count, || Ok(home.enter()?))?;
    let sleepers = Sleepers::start(5, || Ok(home.enter()?))?;
    let usage = callers.len() as u64 + 5;
    home.limit(4)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(&home, 4, usage))
            .within(&place.cgroups, &home)
    })?;
    run.keep(callers);
    run.keep(sleepers);
    run.keep(tree);
    Ok(run)
}

fn into_cgroup(place: &Place) -> Result<Run> {
    into(place, "pit", &["target"], &["target"], 3)
}

fn into_cgroup_below(place: &Place) -> Result<Run> {
    into(place, "pib", &["above", "target"], &["above"], 5)
}

/// clone3 with CLONE_INTO_CGROUP: the target's limits count, the caller's
/// don't.
fn into(place: &Place, tag: &str, target: &[&str], limited: &[&str], limit: u64) -> Result<Run> {
    if !place.cgroups.pids_is_v2 {
        return skip("the pids controller is not in the v2 hierarchy");
    }
    let tree = place.cgroups.tree(tag)?;
    let home = tree.at(&["home"])?;
    let target = tree.at(target)?;
    let limited = tree.at(limited)?;
    let mut run = Run::default();
    let sleepers = Sleepers::start(limit, || Ok(target.enter()?))?;
    limited.limit(limit)?;
    let count = place.count;
    let (mut caller, _) = Actor::start(format!("{tag}-clone3"), |link| {
        home.enter()?;
        let open = File::open(&target.dir).context("open the target cgroup")?;
        link.step();
        let attempts: Vec<_> = (0..count)
            .map(|_| attempt_into_cgroup(open.as_raw_fd()))
            .collect();
        link.ready(attempts);
        Ok(())
    })?;
    home.limit(1)?;
    let attempts = caller.go()?.attempts;
    must_fail(&attempts)?;
    for a in &attempts {
        run.expects.push(
            Expect::of(&caller, a, Cause::CgroupPidsMax)
                .limit(WantedLimit::pids(&limited, limit, limit))
                .within(&place.cgroups, &home)
                .may_be_unknown(),
        );
    }
    run.keep(caller);
    run.keep(sleepers);
    run.keep(tree);
    Ok(run)
}

/// The caller sees its own cgroup as the root; the record names it as the host
/// does.
fn namespace(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pin")?;
    let home = tree.at(&["container", "home"])?;
    let limited = tree.at(&["container"])?;
    let mut run = fill_and_fire(place, "pin", &home, &limited, 7, || {
        Ok(sys::unshare(libc::CLONE_NEWCGROUP, "CLONE_NEWCGROUP")?)
    })?;
    run.keep(tree);
    Ok(run)
}

fn deep(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pid25")?;
    let names: Vec<String> = (1..25).map(|n| format!("d{n}")).collect();
    let home = tree.at(&names)?;
    let limited = tree.at(&names[..3])?;
    let mut run = fill_and_fire(place, "pid", &home, &limited, 6, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

fn long_names(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pilong")?;
    let names = ["a".repeat(200), "b".repeat(200), "c".repeat(200)];
    let home = tree.at(&names)?;
    let limited = tree.at(&names[..2])?;
    let mut run = fill_and_fire(place, "pilong", &home, &limited, 7, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

/// Bytes that would colour a terminal, and bytes that are no UTF-8.
fn odd_names(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("piodd")?;
    let names: [&[u8]; 2] = [b"red \x1b[31m\ttab", b"\xff\xfe <b>\"quoted\\\x7f"];
    let home = tree.at(&names)?;
    let mut run = fill_and_fire(place, "piodd", &home, &home, 5, || Ok(()))?;
    run.keep(tree);
    Ok(run)
}

fn threads(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("pith")?;
    let home = tree.top();
    let mut run = Run::default();
    let threads = Sleepers::threads(3, || Ok(home.enter()?))?;
    let mut callers: Vec<Prober> = probers("pith", Kind::ALL, place.count, || Ok(home.enter()?))?;
    let tasks = callers.len() as u64 + 4;
    home.limit(tasks)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(&home, tasks, tasks))
            .within(&place.cgroups, &home)
    })?;
    run.keep(callers);
    run.keep(threads);
    run.keep(tree);
    Ok(run)
}
