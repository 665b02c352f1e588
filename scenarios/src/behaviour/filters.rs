//! Filters select.

use std::process::Command;

use anyhow::{Result, ensure};
use forktrace::provoke::sys;

use super::{
    Behaviour, await_failures, await_text, count_of, provoke, record, refused_user, started,
};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::runner::Tests;
use crate::tracer::{Running, Tracer};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
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
    Behaviour {
        name: "filter_waits_for_a_cgroup",
        run: |tests| awaited(tests, "--cgroup"),
    },
    Behaviour {
        name: "filter_waits_for_a_unit",
        run: |tests| awaited(tests, "--unit"),
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

/// What is named comes when forktrace waits for it, and is traced from then on.
fn awaited(tests: &Tests, flag: &str) -> Result<()> {
    const LATE: &str = "forktrace-late.service";
    let tree = tests.place.cgroups.tree("late")?;
    let value = match flag {
        "--unit" => LATE.to_owned(),
        _ => format!("{}/{LATE}", tree.top().shown()),
    };
    let file = tests.scratch.path("late.ndjson");
    let mut command = Command::new(&tests.binary);
    command.arg("record").arg("-o").arg(&file);
    let running = Running::start(&tests.scratch, "late", command.args([flag, &value]))?;
    await_text(|| running.said(), "waiting for it")?;
    ensure!(
        !file.exists(),
        "there is a recording before there is anything to trace"
    );
    let home = tree.at(&[LATE])?;
    let mut tracer = started(Tracer::follow(running, &file))?;
    let mut prober = Prober::start("late", Kind::PLAIN, 2, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    home.limit(1)?;
    provoke(&mut prober)?;
    await_failures(&mut tracer, prober.actor.pid(), 2)?;
    tracer.end()?;
    Ok(())
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
