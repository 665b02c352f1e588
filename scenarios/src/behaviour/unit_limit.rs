//! A unit's limit that a file of systemd's says, a number or a percentage: the fix names the file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forktrace::record::{Failure, Record};

use super::{Behaviour, await_failures, forktrace, in_own_mounts, provoke, record, under_systemd};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::cgroup::Cgroup;
use crate::runner::Tests;
use crate::setting;
use crate::sleepers::Sleepers;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "percentage_of_a_unit",
    run: |tests| in_own_mounts(|| of_a_unit(tests)),
}];

/// Two units, of which one has a percentage; nobody else sees their files.
fn of_a_unit(tests: &Tests) -> Result<()> {
    under_systemd()?;
    let tree = tests.place.cgroups.tree("percent")?;
    let mut pids = Vec::new();
    let mut files = Vec::new();
    let mut tracer = record(tests, &[])?;
    let mut keep = Vec::new();
    for (name, value) in [("part", "15%"), ("number", "2")] {
        let unit = format!("forktrace-{name}-{}.service", std::process::id());
        let folder = Path::new("/run/systemd/system").join(format!("{unit}.d"));
        fs::create_dir_all(&folder)?;
        let file = folder.join("50-x.conf");
        fs::write(&file, format!("[Service]\nTasksMax={value}\n"))?;
        let home = tree.at(&["system.slice", &unit])?;
        let mut prober = refused_in(&home)?;
        keep.push(Sleepers::start(1, || Ok(home.enter()?))?);
        home.limit(2)?;
        provoke(&mut prober)?;
        await_failures(&mut tracer, prober.actor.pid(), 1)?;
        pids.push(prober.actor.pid() as u32);
        let checked = forktrace(tests, &["check", "--format", "json", "--unit", &unit], 1)?;
        let wanted = format!("TasksMax={value} in {}", file.display());
        ensure!(checked.printed().contains(&wanted), "{}", checked.printed());
        files.push(wanted);
    }
    let notes = |pid: u32| -> Result<String> {
        let mut all = tracer.lines.iter().filter_map(|line| match &line.record {
            Record::Failure(failure) if failure.caller.pid == pid => Some(failure),
            _ => None,
        });
        let failure: &Failure = all.next().context("no failure")?;
        let notes = failure.fix.iter().filter_map(|fix| fix.note.clone());
        Ok(notes.collect::<Vec<_>>().join("\n"))
    };
    let of_part = notes(pids[0])?;
    let most = ["kernel/pid_max", "kernel/threads-max"].map(setting::read);
    let [pid_max, threads_max] = most;
    let today = pid_max?.min(threads_max?) * 15 / 100;
    let today = format!("evaluated now it would be {today}, not 2");
    ensure!(
        of_part.contains(&files[0]) && of_part.contains(&today),
        "{of_part}"
    );
    let of_number = notes(pids[1])?;
    ensure!(
        of_number.contains(&files[1]) && !of_number.contains("evaluated"),
        "{of_number}"
    );
    tracer.end()?;
    Ok(())
}

fn refused_in(home: &Cgroup) -> Result<Prober> {
    Prober::start("percentage", Kind::PLAIN, 1, || {
        home.enter()?;
        Ok(Vec::new())
    })
}
