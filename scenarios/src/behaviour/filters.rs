//! Filters select.

use anyhow::{Result, ensure};
use forktrace::provoke::sys;

use super::{Behaviour, await_failures, count_of, provoke, record, refused_user};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::runner::Tests;

pub const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "filter_cause",
        run: |tests| select(tests, "--cause", |_| "cgroup_pids_max".to_owned()),
    },
    Behaviour {
        name: "filter_pid",
        run: |tests| select(tests, "--pid", |chosen| chosen.pid.to_string()),
    },
    Behaviour {
        name: "filter_user",
        run: |tests| select(tests, "--user", |chosen| chosen.uid.to_string()),
    },
    Behaviour {
        name: "filter_comm",
        run: |tests| select(tests, "--comm", |_| "chosen".to_owned()),
    },
    Behaviour {
        name: "filter_cgroup",
        run: |tests| select(tests, "--cgroup", |chosen| chosen.cgroup.clone()),
    },
    Behaviour {
        name: "filter_unit",
        run: |tests| select(tests, "--unit", |_| UNIT.to_owned()),
    },
];

/// Where the chosen one lives.
const UNIT: &str = "forktrace-filter.service";

/// What a filter can name.
struct Chosen {
    pid: i32,
    uid: u32,
    cgroup: String,
}

/// One caller that the filter names, refused by pids.max within a subtree, and
/// one that differs in everything.
fn select(tests: &Tests, flag: &str, name: fn(&Chosen) -> String) -> Result<()> {
    let tree = tests.place.cgroups.tree("filter")?;
    let home = tree.at(&[UNIT])?;
    let uid = tests.place.uid(120);
    let mut chosen = Prober::start("chosen", Kind::PLAIN, 2, || {
        home.enter()?;
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })?;
    home.limit(1)?;
    let mut other = refused_user("other", tests.place.uid(121), 2)?;
    let value = name(&Chosen {
        pid: chosen.actor.pid(),
        uid,
        cgroup: tree.top().shown(),
    });
    let mut tracer = record(tests, &[flag, &value])?;
    let given = tracer.session.filters.values().any(|v| v.contains(&value));
    provoke(&mut other)?;
    provoke(&mut chosen)?;
    provoke(&mut other)?;
    await_failures(&mut tracer, chosen.actor.pid(), 2)?;
    let summary = tracer.end()?;
    let others = count_of(&tracer, other.actor.pid());
    ensure!(others == 0, "{others} records of somebody else");
    ensure!(
        count_of(&tracer, chosen.actor.pid()) == 2,
        "not 2 records in the end"
    );
    ensure!(given, "the session does not name the filter");
    // The cause is known only after the kernel's filters.
    if flag != "--cause" {
        ensure!(
            summary.failures == 2,
            "the summary counts {}",
            summary.failures
        );
    }
    drop(chosen);
    Ok(())
}
