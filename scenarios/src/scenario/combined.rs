//! Two limits exhausted at once: the first that the kernel compares is the
//! cause. And limits one after the other: the evidence of an attempt says
//! nothing about the next.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, must_fail, must_succeed, probers};
use crate::actor::Actor;
use crate::attempt::{Attempt, Kind, attempt, attempts};
use crate::cgroup::Cgroup;
use crate::expect::{Expect, Number, WantedLimit};
use crate::machine;
use crate::setting::{self, Setting};
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "both_nproc_and_pids",
        reach: Reach::Own,
        run: nproc_and_pids,
    },
    Scenario {
        name: "both_threads_max_and_pids",
        reach: Reach::Host,
        run: threads_and_pids,
    },
    Scenario {
        name: "both_pids_own_and_parent",
        reach: Reach::Own,
        run: own_and_parent,
    },
    Scenario {
        name: "then_pids_nproc_pids",
        reach: Reach::Own,
        run: |place| in_turn(place, "tpn", Kind::PLAIN),
    },
    Scenario {
        name: "then_pids_nproc_pids_clone3",
        reach: Reach::Own,
        run: |place| in_turn(place, "tpn3", Kind::Clone3),
    },
    Scenario {
        name: "then_exempt_pids",
        reach: Reach::Own,
        run: exempt_then_pids,
    },
    Scenario {
        name: "then_exempt_threads_max",
        reach: Reach::Host,
        run: exempt_then_threads,
    },
];

/// RLIMIT_NPROC is compared first (`copy_process()`, kernel/fork.c).
fn nproc_and_pids(place: &Place) -> Result<Run> {
    let uid = place.uid(50);
    let tree = place.cgroups.tree("bnp")?;
    let home = tree.top();
    let mut run = Run::default();
    let mut callers = probers("bnp", Kind::ALL, place.count, || {
        home.enter()?;
        sys::become_uid(uid)?;
        Ok(sys::limit_nproc(6, 6)?)
    })?;
    let users = 6 - callers.len() as u64;
    let sleepers = Sleepers::start(users, || {
        home.enter()?;
        Ok(sys::become_uid(uid)?)
    })?;
    let roots = Sleepers::start(3, || Ok(home.enter()?))?;
    home.limit(9)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 6, 6))
            .candidate(WantedLimit::pids(&home, 9, 9))
            .within(&place.cgroups, &home)
            .may_be_unknown()
    })?;
    run.keep(callers);
    run.keep((sleepers, roots));
    run.keep(tree);
    Ok(run)
}

/// threads-max is compared before any cgroup.
fn threads_and_pids(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("btp")?;
    let home = tree.top();
    let mut run = Run::default();
    let mut callers = probers("btp", Kind::ALL, place.count, || Ok(home.enter()?))?;
    home.limit(callers.len() as u64)?;
    let value = machine::settled_tasks_on_host()? - 4;
    let sysctl = setting::set("kernel/threads-max", value)?;
    let tasks = callers.len() as u64;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::ThreadsMax)
            .limit(WantedLimit::threads(value))
            .candidate(WantedLimit::pids(&home, tasks, tasks))
            .within(&place.cgroups, &home)
            .may_be_unknown()
    })?;
    run.keep(sysctl);
    run.keep(callers);
    run.keep(tree);
    Ok(run)
}

/// `pids_try_charge()` goes from the caller's cgroup upwards.
fn own_and_parent(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("bop")?;
    let home = tree.at(&["home"])?;
    let mut run = Run::default();
    let mut callers = probers("bop", Kind::ALL, place.count, || Ok(home.enter()?))?;
    // Not in the parent itself: v2 keeps processes to the leaves.
    let beside = tree.at(&["beside"])?;
    let others = Sleepers::start(2, || Ok(beside.enter()?))?;
    let tasks = callers.len() as u64;
    home.limit(tasks)?;
    tree.top().limit(tasks + 2)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(&home, tasks, tasks))
            .candidate(WantedLimit::pids(&tree.top(), tasks + 2, tasks + 2))
            .within(&place.cgroups, &home)
    })?;
    run.keep(callers);
    run.keep(others);
    run.keep(tree);
    Ok(run)
}

const TURNS: u32 = 4;

/// The same thread is refused by pids.max, by RLIMIT_NPROC, by pids.max again.
fn in_turn(place: &Place, tag: &str, kind: Kind) -> Result<Run> {
    let uid = place.uid(51);
    let tree = place.cgroups.tree(tag)?;
    let home = tree.top();
    let mut run = Run::default();
    let sleepers = Sleepers::start(2, || {
        home.enter()?;
        Ok(sys::become_uid(uid)?)
    })?;
    let count = place.count;
    // The soft limit is the caller's own to change: that takes no capability.
    let (mut caller, _) = Actor::start(format!("{tag}-caller"), |link| {
        home.enter()?;
        sys::limit_nproc(1000, 1000)?;
        sys::become_uid(uid)?;
        link.step();
        for turn in 0..TURNS {
            sys::limit_nproc(if turn % 2 == 0 { 1000 } else { 3 }, 1000)?;
            link.ready(attempts(kind, count));
            sys::limit_nproc(1000, 1000)?;
            link.ready(attempts(kind, 1));
        }
        Ok(())
    })?;
    for turn in 0..TURNS {
        let (cause, mut limit) = if turn % 2 == 0 {
            home.limit(3)?;
            (Cause::CgroupPidsMax, WantedLimit::pids(&home, 3, 3))
        } else {
            (Cause::RlimitNproc, WantedLimit::nproc(uid, 3, 3))
        };
        // By the time of a look the limit has been taken away.
        limit.file = None;
        let attempts = caller.go()?.attempts;
        must_fail(&attempts)?;
        for a in &attempts {
            run.expects.push(
                Expect::of(&caller, a, cause)
                    .uid(uid)
                    .limit(limit.clone())
                    .within(&place.cgroups, &home),
            );
        }
        // One that is granted in between.
        home.unlimit()?;
        must_succeed(&caller.go()?.attempts)?;
    }
    run.keep(caller);
    run.keep(sleepers);
    run.keep(tree);
    Ok(run)
}

/// uid 0 is over its RLIMIT_NPROC, which says nothing; then the same thread,
/// as a user, is refused by what `exhaust` sets. Its limit stays above the
/// user's count of 1.
fn exempt_then(
    place: &Place,
    tag: &str,
    home: Option<&Cgroup>,
    exhaust: impl FnOnce() -> Result<(Cause, WantedLimit, Option<Setting>)>,
) -> Result<Run> {
    let uid = place.uid(52);
    let count = place.count;
    let mut run = Run::default();
    let (mut caller, report) = Actor::start(format!("{tag}-caller"), |link| {
        if let Some(home) = home {
            home.enter()?;
        }
        sys::limit_nproc(2, 2)?;
        let granted: Vec<Attempt> = Kind::ALL.iter().map(|k| attempt(*k)).collect();
        link.ready(granted);
        sys::become_uid(uid)?;
        link.step();
        link.ready(attempts(Kind::PLAIN, count));
        Ok(())
    })?;
    must_succeed(&report.attempts)?;
    caller.go()?;
    let (cause, limit, sysctl) = exhaust()?;
    let attempts = caller.go()?.attempts;
    must_fail(&attempts)?;
    for a in &attempts {
        run.expects
            .push(Expect::of(&caller, a, cause).uid(uid).limit(limit.clone()));
    }
    run.keep(sysctl);
    run.keep(caller);
    Ok(run)
}

fn exempt_then_pids(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("tep")?;
    let home = tree.top();
    let mut run = exempt_then(place, "tep", Some(&home), || {
        home.limit(1)?;
        let mut limit = WantedLimit::pids(&home, 1, 1);
        // A child that has just been waited for can still be counted.
        limit.usage = Number::Between(1, 2);
        Ok((Cause::CgroupPidsMax, limit, None))
    })?;
    run.keep(tree);
    Ok(run)
}

fn exempt_then_threads(place: &Place) -> Result<Run> {
    exempt_then(place, "tet", None, || {
        let value = machine::settled_tasks_on_host()? - 4;
        let sysctl = setting::set("kernel/threads-max", value)?;
        Ok((Cause::ThreadsMax, WantedLimit::threads(value), Some(sysctl)))
    })
}
