//! A filter by cgroup means the cgroup of one hierarchy: ids are unique within one only.

use std::{cmp::Ordering, fs};

use anyhow::{Result, ensure};

use super::{Behaviour, await_failures, count_of, forktrace, provoke, record, refused_user_in};
use crate::{
    cgroup::{Hierarchies, Tree},
    runner::{Tests, Where},
    scenario::skip,
};

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "filter_cgroups_v1_and_v2_of_one_id",
        run: of_one_id,
    },
    Behaviour {
        name: "filter_cgroup_v1_of_systemd_alone",
        run: of_systemd_alone,
    },
];

/// Cgroups that are made until two have the same id. A cgroup takes as many ids as it has files, about
/// twenty in one hierarchy and ten in another; where a host has made more in one, the other catches up.
const MOST: usize = 3000;
/// How often one passes the other: more often than a cgroup has files, and they will never meet.
const ENOUGH: u32 = 100;

/// Two callers that are refused, whose cgroups are in two hierarchies and have the same id.
fn of_one_id(tests: &Tests) -> Result<()> {
    let pids = &tests.place.cgroups;
    let Some(v2) = pids.unified() else {
        return skip("pids is in v2, or there is no v2 beside v1: one hierarchy has all cgroups");
    };
    let Some(trees) = alike(tests, pids, &v2)? else {
        return skip("no two cgroups of v1 and v2 got the same id");
    };
    let refused = |comm, uid, tree: &Tree| {
        let home = tree.top();
        refused_user_in(comm, tests.place.uid(uid), 2, || Ok(home.enter()?))
    };
    let mut first = refused("first", 122, &trees[0])?;
    let mut second = refused("second", 123, &trees[1])?;
    let [one, two] = [first.actor.pid(), second.actor.pid()];
    for (tree, meant, other) in [(&trees[0], one, two), (&trees[1], two, one)] {
        let folder = tree.top().dir;
        let mut tracer = record(tests, &["--cgroup", &folder.to_string_lossy()])?;
        provoke(&mut first)?;
        provoke(&mut second)?;
        await_failures(&mut tracer, meant, 2)?;
        tracer.end()?;
        let others = count_of(&tracer, other);
        ensure!(
            others == 0,
            "--cgroup {}: {others} records of a process whose cgroup has that id in another hierarchy",
            folder.display()
        );
    }
    Ok(())
}

/// The hierarchy name=systemd has no limits, and what is in it alone would filter everything out.
fn of_systemd_alone(tests: &Tests) -> Result<()> {
    let Some(mount) = tests.place.cgroups.systemd() else {
        return skip("no hierarchy name=systemd beside that of the pids controller");
    };
    let folder = mount.join(format!("forktrace-{}-alone", std::process::id()));
    fs::create_dir(&folder)?;
    let run = forktrace(tests, &["live", "--cgroup", &folder.to_string_lossy()], 2);
    fs::remove_dir(&folder)?;
    let said = run?.said();
    ensure!(
        said.contains("is in the hierarchy name=systemd only"),
        "it says: {said}"
    );
    Ok(())
}

/// A cgroup of v1 and one of v2, with the same id.
fn alike(tests: &Tests, pids: &Hierarchies, v2: &Hierarchies) -> Result<Option<[Tree; 2]>> {
    if let Some(found) = alike_in([pids, v2])? {
        return Ok(Some(found));
    }
    // Where both take an even number of ids, theirs may never meet. One more controller takes some more;
    // a host keeps those that it has.
    if tests.at == Where::Host {
        return Ok(None);
    }
    let controllers = fs::read_to_string(v2.pids.join("cgroup.controllers"))?;
    for controller in controllers.split_whitespace() {
        let handed_down = v2.pids.join("cgroup.subtree_control");
        fs::write(&handed_down, format!("+{controller}"))?;
        let found = alike_in([pids, v2]);
        fs::write(&handed_down, format!("-{controller}"))?;
        if let Some(found) = found? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn alike_in([first, second]: [&Hierarchies; 2]) -> Result<Option<[Tree; 2]>> {
    let mut one = first.tree("alike")?;
    let mut two = second.tree("alike")?;
    let mut last = Ordering::Equal;
    let mut passed = 0;
    for _ in 0..MOST {
        let order = one.top().id()?.cmp(&two.top().id()?);
        match order {
            Ordering::Equal => return Ok(Some([one, two])),
            Ordering::Less => {
                drop(one);
                one = first.tree("alike")?;
            }
            Ordering::Greater => {
                drop(two);
                two = second.tree("alike")?;
            }
        }
        passed += u32::from(last != order);
        if passed > ENOUGH {
            break;
        }
        last = order;
    }
    Ok(None)
}
