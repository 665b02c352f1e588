//! forktrace short of memory, and of room on the disk.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::{LossReason, Record};

use super::super::{
    Behaviour, await_failures, forktrace, in_own_mounts, provoke, refused_user, started,
};
use crate::machine::await_some;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::tracer::{Running, Tracer};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_short_of_memory",
        run: short_of_memory,
    },
    Behaviour {
        name: "fault_disk_full_and_back",
        run: |tests| in_own_mounts(|| full_and_back(tests)),
    },
];

/// In a cgroup that has memory for little more than forktrace itself, hundreds of callers are
/// refused: it goes on, and counts them all.
fn short_of_memory(tests: &Tests) -> Result<()> {
    const LIMIT: u64 = 16 << 20;
    if tests.at == Where::Host {
        return skip("it takes a memory controller, and wakes the host's OOM killer when it fails");
    }
    let Some(hierarchy) = tests.place.cgroups.memory() else {
        return skip("no memory controller is mounted");
    };
    let tree = hierarchy.tree("tight")?;
    let home = tree.top();
    let name = if hierarchy.pids_is_v2 {
        let folder = home.dir.parent().context("a parent")?;
        fs::write(folder.join("cgroup.subtree_control"), "+memory")?;
        "memory.max"
    } else {
        "memory.limit_in_bytes"
    };
    let file = tests.scratch.path("tight.ndjson");
    let mut command = Command::new(&tests.binary);
    command
        .arg("record")
        .arg("--comm")
        .arg("tight")
        .arg("-o")
        .arg(&file);
    let enter = home.clone();
    sys::before_exec(&mut command, move || enter.enter());
    let running = Running::start(&tests.scratch, "tight", &mut command)?;
    let mut tracer = started(Tracer::follow(running, &file))?;
    // Once it runs: reading the kernel's types takes more.
    let bytes = LIMIT.to_string();
    fs::write(home.dir.join(name), &bytes).with_context(|| format!("write {bytes} to {name}"))?;
    let mut total = 0;
    for _ in 0..3 {
        let mut users = (0..24)
            .map(|n| refused_user("tight", tests.place.uid(170 + n), 20))
            .collect::<Result<Vec<_>>>()?;
        for user in &mut users {
            user.actor.send()?;
        }
        for user in &mut users {
            user.actor.hear()?;
        }
        total += 24 * 20;
    }
    let summary = tracer.end()?;
    ensure!(
        summary.failures == total,
        "{} of {total} are summed up",
        summary.failures
    );
    Ok(())
}

/// With `--min-free`: what didn't fit is counted, and when there is room it goes on.
fn full_and_back(tests: &Tests) -> Result<()> {
    let dir = tests.scratch.dir.join("full-and-back");
    fs::create_dir(&dir)?;
    sys::mount("tmpfs", &dir, "tmpfs", "size=1m")?;
    let file = dir.join("x.ndjson");
    let filler = dir.join("filler");
    let mut user = refused_user("no-room", tests.place.uid(153), 4)?;
    let mut command = Command::new(&tests.binary);
    command.args(["record", "--min-free", "256K", "--comm", "no-room", "-o"]);
    command.arg(&file);
    let running = Running::start(&tests.scratch, "full-and-back", &mut command)?;
    let mut tracer = started(Tracer::follow(running, &file))?;
    let pid = user.actor.pid();
    provoke(&mut user)?;
    await_failures(&mut tracer, pid, 4)?;
    fs::write(&filler, vec![0; 900 << 10])?;
    let full = fs::metadata(&file)?.len();
    provoke(&mut user)?;
    // SIGUSR1 makes it read all that there is, and say so.
    tracer.running.signal(Signal::USR1);
    await_some(Duration::from_secs(20), || {
        tracer.running.said().contains("8 failures").then_some(())
    })
    .with_context(|| format!("eight are not counted: {}", tracer.running.said()))?;
    ensure!(
        fs::metadata(&file)?.len() == full,
        "written without the room that was asked for"
    );
    fs::remove_file(&filler)?;
    provoke(&mut user)?;
    await_failures(&mut tracer, pid, 8)?;
    let summary = tracer.end()?;
    let lost: u64 = tracer
        .lines
        .iter()
        .map(|l| match &l.record {
            Record::Loss(loss) if loss.reason == LossReason::NoSpace => loss.count,
            _ => 0,
        })
        .sum();
    ensure!(
        lost == 4 && summary.failures == 12,
        "{lost} are recorded as lost, {} summed up",
        summary.failures
    );
    let path = file.to_str().context("a path")?;
    let printed = forktrace(tests, &["replay", path], 0)?.printed();
    ensure!(
        printed.contains("12 failed creations") && printed.contains('4'),
        "replay: {printed}"
    );
    Ok(())
}
