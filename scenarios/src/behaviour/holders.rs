//! Who fills a limit, counted by the task iterator and from /proc: the same.

use std::fs;

use anyhow::{Context, Result, ensure};
use forktrace::host::cgroup::{Controller, Hierarchies, Version};
use forktrace::host::holders::{Fill, Holders, Scope};
use forktrace::host::passwd::Passwd;
use forktrace::probe::task_iter::TaskIter;
use forktrace::provoke::sys;
use forktrace::record::{Holder, HolderKind};

use super::Behaviour;
use crate::actor::Actor;
use crate::cgroup::Cgroup;
use crate::holders::Row;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::sleepers::Sleepers;
use crate::zombies::careless;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[Behaviour {
    name: "holders_iterator_and_proc_agree",
    run: agree,
}];

fn agree(tests: &Tests) -> Result<()> {
    let iterator = match TaskIter::alone(None) {
        Ok(iterator) => iterator,
        Err(why) if tests.at == Where::Host => return skip(why),
        Err(why) => anyhow::bail!("the task iterator is refused: {why}"),
    };
    let mut iterated = Holders::new(Passwd::default()).with_tasks(Some(Box::new(iterator)));
    let mut read = Holders::new(Passwd::default());

    let place = &tests.place;
    let (uid, other) = (place.uid(140), place.uid(141));
    let tree = place.cgroups.tree("agree")?;
    let (one, two) = (tree.at(&["one"])?, tree.at(&["two"])?);
    let removed = tree.at(&["removed"])?;
    let enter = |home: &Cgroup, uid| {
        home.enter()?;
        sys::become_uid(uid)
    };
    let _many = Sleepers::start(5, || Ok(enter(&one, uid)?))?;
    let _others = Sleepers::start(2, || Ok(enter(&one, other)?))?;
    let threads = Sleepers::threads(7, || Ok(enter(&two, uid)?))?;
    let parent = careless(&two, 4, || Ok(()))?;
    let another = careless(&two, 1, || Ok(removed.enter()?))?;
    fs::remove_dir(&removed.dir).context("removing a cgroup of a zombie")?;
    let nested = in_namespaces(uid)?;

    let version = Hierarchies::discover()?.of_controller(Controller::Pids).1;
    // All above, but for those in namespaces.
    let tasks = 5 + 2 + 8 + 5 + 2;
    let cgroup = Scope::Cgroup {
        folder: tree.top().dir,
        path: tree.top().path,
        version,
        fill: Fill::Tasks,
    };
    let rows = iterated
        .count(&cgroup, Some(tasks))
        .context("not counted")?;
    for row in [
        Row::program("sleeper", 7),
        Row::program("sleeper-t", 8).detail(format!("pid {}", threads.pid().unwrap_or(0))),
        Row {
            zombies: 5,
            ..Row::program("stillborn", 0)
        }
        .detail(format!(
            "zombies of pid {} careless, 1 of others",
            parent.pid()
        )),
        Row::cgroup(one.shown(), 7, 0),
        Row::cgroup(two.shown(), 10, 4),
    ] {
        ensure!(rows.iter().any(|got| row.is(got)), "no {row:?} in {rows:?}");
    }
    let files = read.count(&cgroup, Some(tasks)).context("not read")?;
    // In v1 /proc doesn't say which cgroup was a zombie's.
    let exact = version == Version::V2;
    same(&rows, &files, |row| exact || row.kind != HolderKind::Cgroup)?;
    if exact {
        let row = Row::cgroup(removed.shown(), 0, 1);
        ensure!(rows.iter().any(|got| row.is(got)), "no {row:?} in {rows:?}");
    }

    let namespace = |kind: &str| namespace_of(nested.pid(), kind);
    let mut scopes = vec![
        Scope::User { uid, userns: None },
        Scope::PidNamespace {
            inum: namespace("pid_for_children")?,
        },
    ];
    if place.kernel >= (5, 14) {
        // Its own, and those in the namespace that it has made; and in that one.
        for userns in [sys::namespace("user")? as u32, namespace("user")?] {
            scopes.push(Scope::User {
                uid,
                userns: Some(userns),
            });
        }
    }
    if tests.at == Where::TestMachine {
        scopes.push(Scope::Host { fill: Fill::Tasks });
    }
    for scope in scopes {
        // The kernel's own threads come and go.
        let host = matches!(scope, Scope::Host { .. });
        let wanted =
            |row: &Holder| !host || matches!(row.kind, HolderKind::Program | HolderKind::Process);
        let rows = iterated.count(&scope, None).context("not counted")?;
        let files = read.count(&scope, None).context("not read")?;
        ensure!(!rows.is_empty(), "nobody in {scope:?}");
        same(&rows, &files, wanted).with_context(|| format!("{scope:?}"))?;
    }
    drop((threads, another, nested));
    Ok(())
}

/// A process in a user namespace of its own, whose three children are in a pid namespace of theirs.
fn in_namespaces(uid: u32) -> Result<Actor> {
    let (parent, _) = Actor::start("nested", |link| {
        sys::become_uid(uid)?;
        sys::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID, "CLONE_NEWUSER")?;
        let children = Sleepers::start(3, || Ok(()))?;
        link.step();
        drop(children);
        Ok(())
    })?;
    Ok(parent)
}

fn namespace_of(pid: i32, kind: &str) -> Result<u32> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::metadata(format!("/proc/{pid}/ns/{kind}"))?;
    Ok(u32::try_from(meta.ino())?)
}

/// The rows that are wanted, in any order.
fn same(one: &[Holder], other: &[Holder], wanted: impl Fn(&Holder) -> bool) -> Result<()> {
    let sorted = |rows: &[Holder]| {
        let mut rows: Vec<String> = rows
            .iter()
            .filter(|row| wanted(row))
            .map(|row| format!("{row:?}"))
            .collect();
        rows.sort();
        rows
    };
    let (one, other) = (sorted(one), sorted(other));
    ensure!(one == other, "the iterator counts {one:?}, /proc {other:?}");
    Ok(())
}
