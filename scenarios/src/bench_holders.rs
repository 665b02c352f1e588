//! How long it takes to count who fills a limit on a host with many tasks,
//! by the task iterator and from /proc, beside procps' ps, which people count with.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::host::cgroup::{Controller, Hierarchies as Mounts};
use forktrace::host::holders::{Fill, Holders, Scope};
use forktrace::host::limits::HostNow;
use forktrace::host::passwd::Passwd;
use forktrace::probe::task_iter::TaskIter;
use forktrace::provoke::sys;
use forktrace::record::{Holder, HolderKind};

use crate::cgroup::{Cgroup, Hierarchies};
use crate::scenario::Place;
use crate::sleepers::Sleepers;

/// Threads of each process that has several, its first one included.
const THREADS: u64 = 50;
/// Tasks that the host keeps for others.
const SPARE: u64 = 4000;
/// What a sleeping process takes of memory, kernel stack and page tables
/// included, at most.
const KIB_OF_A_PROCESS: u64 = 400;
/// Counts of each kind; the fastest is printed.
const RUNS: u32 = 3;

/// Makes up to `tasks` tasks, half of them processes and half threads, and prints
/// a table.
pub(crate) fn run(tasks: u64) -> Result<()> {
    let place = Place::find(1)?;
    let host = HostNow::read();
    let known = "a limit of the host can't be read";
    let ids = host.pid_max.zip(host.threads_max).context(known)?;
    let used = host.threads.context(known)?;
    let memory = host.mem_available.context(known)? / 2 / KIB_OF_A_PROCESS * 2;
    let room = ids.0.min(ids.1).saturating_sub(used + SPARE);
    let tasks = tasks.min(room).min(memory);
    let groups = tasks / 2 / THREADS;
    let processes = tasks - groups * THREADS;
    ensure!(groups > 0, "this host has room for {tasks} tasks only");

    let uid = place.uid(50);
    let tree = place.cgroups.tree("many")?;
    let (one, two) = (tree.at(&["one"])?, tree.at(&["two"])?);
    let enter = |home: &Cgroup| {
        home.enter()?;
        sys::become_uid(uid)
    };
    let mut threads = Vec::new();
    for _ in 0..groups {
        threads.push(Sleepers::threads(THREADS - 1, || Ok(enter(&one)?))?);
    }
    let sleepers = Sleepers::start(processes, || Ok(enter(&two)?))?;
    println!(
        "{tasks} tasks: {processes} processes, and {groups} with {THREADS} threads each; {used} others\n"
    );
    let mut iterated = match TaskIter::alone(None) {
        Ok(iterator) => Some(Holders::new(Passwd::default()).with_tasks(Some(Box::new(iterator)))),
        Err(why) => {
            println!("no task iterator: {why}\n");
            None
        }
    };
    println!("| | tasks | iterator, seconds | /proc, seconds |\n|---|---:|---:|---:|");
    let wanted = vec![("sleeper", processes), ("sleeper-t", groups * THREADS)];
    for (name, scope) in scopes(&place.cgroups, &tree.top(), uid)? {
        let count = |holders: &mut Holders| {
            let rows = holders.count(&scope, Some(tasks)).context("not counted")?;
            check(&rows, &wanted)
        };
        let mut read = Holders::new(Passwd::default());
        let from_proc = measure(name, || count(&mut read))?;
        // Memory is counted from /proc in any case.
        let by_iterator = match &mut iterated {
            Some(holders) if scope.fill() == Fill::Tasks => Some(measure(name, || count(holders))?),
            _ => None,
        };
        row(name, by_iterator, from_proc);
    }
    for arguments in [&["-efL"][..], &["-eo", "pid,ppid,uid,stat,nlwp,comm"]] {
        let name = format!("ps {}", arguments.join(" "));
        // Busybox's, in test machines, is another.
        let mut procps = Command::new("ps");
        procps.arg("-V").stdout(Stdio::null()).stderr(Stdio::null());
        let missing = procps.status();
        if !missing.is_ok_and(|status| status.success()) {
            println!("| {name} | – | – | not installed |");
            continue;
        }
        let took = measure(&name, || {
            let output = Command::new("ps").args(arguments).output()?;
            ensure!(output.status.success(), "{name} failed");
            Ok(output.stdout.iter().filter(|b| **b == b'\n').count() as u64)
        })?;
        row(&name, None, took);
    }
    drop((threads, sleepers));
    drop(tree);
    Ok(())
}

fn scopes(
    hierarchies: &Hierarchies,
    cgroup: &Cgroup,
    uid: u32,
) -> Result<Vec<(&'static str, Scope)>> {
    let mounts = Mounts::discover()?;
    let (_, version) = mounts.of_controller(Controller::Pids);
    ensure!(cgroup.dir.starts_with(&hierarchies.pids), "another mount");
    let userns = u32::try_from(sys::namespace("user")?)?;
    Ok(vec![
        (
            "pids.max of a cgroup",
            Scope::Cgroup {
                folder: cgroup.dir.clone(),
                path: cgroup.path.clone(),
                version,
                fill: Fill::Tasks,
            },
        ),
        (
            "RLIMIT_NPROC of a user (5.14+)",
            Scope::User {
                uid,
                userns: Some(userns),
            },
        ),
        (
            "kernel.pid_max of the host",
            Scope::Host { fill: Fill::Tasks },
        ),
        (
            "CommitLimit of the host",
            Scope::Host {
                fill: Fill::Private,
            },
        ),
    ])
}

/// The programs' tasks, of which those that were made have to be.
fn check(rows: &[Holder], wanted: &[(&str, u64)]) -> Result<u64> {
    for (name, tasks) in wanted {
        let found = rows.iter().find(|row| row.name == *name);
        let got = found.map(|row| row.tasks);
        // Others can be called the same.
        if got.is_none_or(|got| got < *tasks) {
            bail!("{got:?} tasks of {name}, wanted {tasks} or more");
        }
    }
    let programs = rows
        .iter()
        .filter(|row| !matches!(row.kind, HolderKind::Cgroup | HolderKind::User));
    Ok(programs.map(|row| row.tasks + row.zombies).sum())
}

/// The fastest of some runs, and the tasks that it counted.
fn measure(name: &str, mut count: impl FnMut() -> Result<u64>) -> Result<(Duration, u64)> {
    let mut best: Option<(Duration, u64)> = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let tasks = count().with_context(|| name.to_owned())?;
        let took = start.elapsed();
        if best.is_none_or(|(least, _)| took < least) {
            best = Some((took, tasks));
        }
    }
    best.context("not measured")
}

fn row(name: &str, iterator: Option<(Duration, u64)>, from_proc: (Duration, u64)) {
    let (took, tasks) = from_proc;
    let iterator = iterator.map_or("–".to_owned(), |(took, _)| {
        format!("{:.3}", took.as_secs_f64())
    });
    println!(
        "| {name} | {tasks} | {iterator} | {:.3} |",
        took.as_secs_f64()
    );
}
