//! Who fills the limit that refuses: by program, with zombies, threads and
//! cgroups told apart.

use anyhow::{Context, Result, bail};
use forktrace::cause::Cause;
use forktrace::provoke::sleeper::sleeper;
use forktrace::provoke::sys;

use super::nproc_at_exec::Mapper;
use super::{Place, Reach, Run, Scenario, probers, skip};
use crate::actor::Actor;
use crate::attempt::Kind;
use crate::cgroup::Cgroup;
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::holders::{Row, WantedHolders};
use crate::machine;
use crate::setting;
use crate::sleepers::Sleepers;
use crate::zombies::careless;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "holders_of_a_cgroup",
        reach: Reach::Own,
        run: of_a_cgroup,
    },
    Scenario {
        name: "holders_zombie_leak",
        reach: Reach::Own,
        run: zombie_leak,
    },
    Scenario {
        name: "holders_of_a_user_in_two_cgroups",
        reach: Reach::Own,
        run: of_a_user,
    },
    Scenario {
        name: "holders_of_a_user_namespace",
        reach: Reach::Own,
        run: of_a_user_namespace,
    },
    Scenario {
        name: "holders_in_a_rootless_container",
        reach: Reach::Own,
        run: in_a_rootless_container,
    },
    Scenario {
        name: "holders_of_the_host",
        reach: Reach::Host,
        run: of_the_host,
    },
];

/// The one that asks.
const CALLER: &[Kind] = &[Kind::PLAIN];

fn stillborn(count: u64, parent: &Actor) -> Row {
    Row {
        zombies: count,
        ..Row::program("stillborn", 0)
    }
    .detail(format!("zombies of pid {} careless", parent.pid()))
}

/// A cgroup whose subtree has processes, threads of one process, and zombies.
fn of_a_cgroup(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("hoc")?;
    let (one, two) = (tree.at(&["one"])?, tree.at(&["two"])?);
    let mut run = Run::default();
    let mut callers = probers("hoc", CALLER, place.count, || Ok(one.enter()?))?;
    let sleepers = Sleepers::start(5, || Ok(one.enter()?))?;
    let threads = Sleepers::threads(7, || Ok(two.enter()?))?;
    let parent = careless(&two, 4, || Ok(()))?;
    let tasks = 1 + 5 + 8 + 1 + 4;
    tree.top().limit(tasks)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(&tree.top(), tasks, tasks))
            .within(&place.cgroups, &one)
    })?;
    let leader = threads.pid().context("threads without a process")?;
    // In v1 /proc doesn't say where a zombie has been.
    let shown = place.cgroups.pids_is_v2 || place.by_iterator;
    let zombies = if shown { 4 } else { 0 };
    run.holders = Some(WantedHolders {
        rows: vec![
            Row::program("sleeper-t", 8).detail(format!("pid {leader}")),
            Row::program("sleeper", 5),
            stillborn(4, &parent),
            Row::program("careless", 1),
            Row::cgroup(one.shown(), 6, 0),
            Row::cgroup(two.shown(), 9, zombies),
        ],
        adds_up: true,
        ..WantedHolders::default()
    });
    run.keep(callers);
    run.keep(sleepers);
    run.keep(threads);
    run.keep(parent);
    run.keep(tree);
    Ok(run)
}

/// A leak: nearly all that the limit counts are zombies.
fn zombie_leak(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("hoz")?;
    let home = tree.top();
    let mut run = Run::default();
    let mut callers = probers("hoz", CALLER, place.count, || Ok(home.enter()?))?;
    let parent = careless(&home, 9, || Ok(()))?;
    home.limit(11)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::CgroupPidsMax)
            .limit(WantedLimit::pids(&home, 11, 11))
            .within(&place.cgroups, &home)
    })?;
    run.holders = Some(WantedHolders {
        rows: vec![stillborn(9, &parent), Row::program("careless", 1)],
        adds_up: true,
        warns: Some("9 of the 11 tasks counted are zombies (zombies of pid "),
        ..WantedHolders::default()
    });
    run.keep(callers);
    run.keep(parent);
    run.keep(tree);
    Ok(run)
}

/// One uid in two "containers".
fn of_a_user(place: &Place) -> Result<Run> {
    let uid = place.uid(40);
    let tree = place.cgroups.tree("hou")?;
    let (one, two) = (tree.at(&["one"])?, tree.at(&["two"])?);
    let mut run = Run::default();
    let enter = |home: &Cgroup| {
        home.enter()?;
        sys::become_uid(uid)
    };
    let in_one = Sleepers::start(6, || Ok(enter(&one)?))?;
    let in_two = Sleepers::start(3, || Ok(enter(&two)?))?;
    let mut callers = probers("hou", CALLER, place.count, || {
        sys::limit_nproc(10, 10)?;
        Ok(enter(&two)?)
    })?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 10, 10))
    })?;
    let mut rows = vec![Row::program("sleeper", 9)];
    // Else this user is seen to be in cgroups of the v2 hierarchy.
    let own = place.cgroups.own_unified.as_deref();
    if place.cgroups.pids_is_v2 || own.is_none_or(|own| own == "/") {
        rows.push(Row::cgroup(one.shown(), 6, 0));
        rows.push(Row::cgroup(two.shown(), 4, 0));
    }
    run.holders = Some(WantedHolders {
        rows,
        adds_up: true,
        ..WantedHolders::default()
    });
    run.keep(callers);
    run.keep(in_one);
    run.keep(in_two);
    run.keep(tree);
    Ok(run)
}

/// A user's tasks outside of a user namespace that it has made, and one inside
/// that counts with them.
fn of_a_user_namespace(place: &Place) -> Result<Run> {
    if place.kernel < (5, 14) {
        return skip("user namespaces don't count before 5.14");
    }
    let uid = place.uid(41);
    let mut run = Run::default();
    let callers = probers("hon", CALLER, place.count, || {
        sys::limit_nproc(4, 40)?;
        sys::become_uid(uid)?;
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
        Ok(sys::limit_nproc(40, 40)?)
    });
    let mut callers = match callers.context("a user namespace") {
        Ok(callers) => callers,
        Err(error) => return skip(format!("{error:#}")),
    };
    let sleepers = Sleepers::start(3, || Ok(sys::become_uid(uid)?))?;
    // Somebody else's.
    let others = Sleepers::start(5, || Ok(sys::become_uid(place.uid(42))?))?;
    run.fire(&mut callers, |p, a| {
        let limit = WantedLimit {
            scope: Scope::StartsWith("user namespace "),
            value: Number::Exact(4),
            ..WantedLimit::nproc(uid, 4, 4)
        };
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(limit)
    })?;
    run.holders = Some(WantedHolders {
        rows: vec![Row::program("sleeper", 3)],
        adds_up: true,
        ..WantedHolders::default()
    });
    run.keep(callers);
    run.keep(sleepers);
    run.keep(others);
    Ok(run)
}

/// A container that the user runs, as Podman names it: its tasks have another of the user's ids, and count for the user.
fn in_a_rootless_container(place: &Place) -> Result<Run> {
    if place.kernel < (5, 14) {
        return skip("user namespaces don't count before 5.14");
    }
    let own = place.cgroups.own_unified.as_deref();
    if !(place.cgroups.pids_is_v2 || own.is_none_or(|own| own == "/")) {
        return skip("this user is seen to be in cgroups of the v2 hierarchy");
    }
    let uid = place.uid(43);
    let tree = place.cgroups.tree("hor")?;
    let session = tree.at(&["session"])?;
    let container = tree.at(&[
        format!("user@{uid}.service"),
        "user.slice".to_owned(),
        format!("libpod-{}.scope", "ab".repeat(32)),
    ])?;
    let started = Actor::start("hor-within", |link| {
        let mapper = Mapper::start(uid, 2)?;
        container.enter()?;
        sys::limit_nproc(600, 600)?;
        sys::become_uid(uid)?;
        sys::own_proc_files();
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
        mapper.map()?;
        sys::become_uids(1, 1, 1)?;
        for _ in 0..6 {
            if let Err(errno) = sleeper() {
                bail!("a process was refused with errno {errno}");
            }
        }
        link.step();
        Ok(())
    });
    let within = match started.context("a user namespace") {
        Ok((within, _)) => within,
        Err(error) => return skip(format!("{error:#}")),
    };
    let mut run = Run::default();
    let mut callers = probers("hor", CALLER, place.count, || {
        session.enter()?;
        sys::limit_nproc(8, 8)?;
        Ok(sys::become_uid(uid)?)
    })?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 8, 8))
            .within(&place.cgroups, &session)
    })?;
    run.holders = Some(WantedHolders {
        rows: vec![
            Row::cgroup(container.shown(), 7, 0),
            Row::cgroup(session.shown(), 1, 0),
        ],
        adds_up: true,
        warns: Some("7 of the tasks counted are those of container abababababab, which uid "),
        ..WantedHolders::default()
    });
    run.keep(callers);
    run.keep(within);
    run.keep(tree);
    Ok(run)
}

/// All of the host, the kernel's threads together.
fn of_the_host(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers("hoh", CALLER, place.count, || Ok(()))?;
    let sleepers = Sleepers::start(60, || Ok(()))?;
    let threads = Sleepers::threads(49, || Ok(()))?;
    let value = machine::settled_tasks_on_host()? - 3;
    let sysctl = setting::set("kernel/threads-max", value)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::ThreadsMax).limit(WantedLimit::threads(value))
    })?;
    let leader = threads.pid().context("threads without a process")?;
    run.holders = Some(WantedHolders {
        rows: vec![
            Row::program("sleeper", 60),
            Row::program("sleeper-t", 50).detail(format!("pid {leader}")),
        ],
        adds_up: false,
        ..WantedHolders::default()
    });
    run.keep(sysctl);
    run.keep(callers);
    run.keep(sleepers);
    run.keep(threads);
    Ok(run)
}
