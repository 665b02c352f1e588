//! forktrace's own behaviour: once for a machine, not for each attach style.

mod check;
mod commands;
mod faults;
mod fence;
mod filter_hierarchy;
mod filters;
mod full_disk;
mod half_attached;
mod holders;
mod id_again;
mod inside;
mod instances;
mod journal;
mod live;
mod metrics;
mod other_errnos;
mod out_of_sight;
mod pods;
mod postgres;
mod postgres_overcommit;
mod privilege;
mod raised;
mod recording;
mod replay;
mod report;
mod selftest;
mod starved;
mod storm;
mod symbols_hidden;
mod top;
mod trace_left;
mod types;
mod unit_limit;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use forktrace::provoke::sys;

use crate::actor::{Actor, Prober};
use crate::attempt::{Kind, attempt};
use crate::machine;
use crate::runner::Tests;
use crate::scenario::must_fail;
use crate::tracer::{NotStarted, PATIENCE, Running, Tracer};

/// One test of a behaviour.
pub(crate) struct Behaviour {
    pub name: &'static str,
    pub run: fn(&Tests) -> Result<()>,
}

/// What any host can show.
const ANYWHERE: &[&[Behaviour]] = &[
    check::BEHAVIOURS,
    commands::BEHAVIOURS,
    live::BEHAVIOURS,
    top::BEHAVIOURS,
    journal::BEHAVIOURS,
    metrics::BEHAVIOURS,
    pods::BEHAVIOURS,
    filters::BEHAVIOURS,
    replay::BEHAVIOURS,
    recording::BEHAVIOURS,
    report::BEHAVIOURS,
    full_disk::BEHAVIOURS,
    out_of_sight::BEHAVIOURS,
    id_again::BEHAVIOURS,
    unit_limit::BEHAVIOURS,
    postgres::BEHAVIOURS,
    postgres_overcommit::BEHAVIOURS,
    starved::BEHAVIOURS,
    privilege::BEHAVIOURS,
    fence::BEHAVIOURS,
    trace_left::BEHAVIOURS,
    types::BEHAVIOURS,
    selftest::BEHAVIOURS,
];

/// What comes out differently on each kernel.
const EACH_KERNEL: &[&[Behaviour]] = &[
    inside::ON_EACH_KERNEL,
    half_attached::ON_EACH_KERNEL,
    instances::ON_EACH_KERNEL,
    raised::ON_EACH_KERNEL,
    other_errnos::ON_EACH_KERNEL,
    storm::ON_EACH_KERNEL,
    symbols_hidden::ON_EACH_KERNEL,
    privilege::ON_EACH_KERNEL,
    selftest::ON_EACH_KERNEL,
    check::ON_EACH_KERNEL,
    filter_hierarchy::ON_EACH_KERNEL,
    holders::ON_EACH_KERNEL,
];

/// Names of all that are there in any tier.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    let all = ANYWHERE.iter().chain(EACH_KERNEL).copied().flatten();
    let faults = faults::behaviours(crate::runner::Where::Host);
    all.chain(faults).map(|behaviour| behaviour.name).collect()
}

/// All of them.
pub(crate) fn run(tests: &mut Tests) {
    const IDLE: &str = "behaviour/record_waits_asleep";
    let idle = tests.wanted(IDLE).then(|| recording::Idle::start(tests));
    run_each(tests, ANYWHERE.iter().copied().flatten());
    run_each(tests, faults::behaviours(tests.at));
    if let Some(idle) = idle {
        let outcome = idle.and_then(recording::Idle::end);
        tests.report.case(IDLE, outcome);
    }
}

/// Those that come out differently on each kernel.
pub(crate) fn run_on_each_kernel(tests: &mut Tests) {
    let of_style: Vec<_> = EACH_KERNEL
        .iter()
        .copied()
        .flatten()
        .filter(|behaviour| tests.choice.is_of_style(behaviour.name))
        .collect();
    run_each(tests, of_style);
}

fn run_each<'a>(tests: &mut Tests, behaviours: impl IntoIterator<Item = &'a Behaviour>) {
    for behaviour in behaviours {
        let name = format!("behaviour/{}", behaviour.name);
        if tests.wanted(&name) {
            // A machine that hangs is stopped with nothing more than its log.
            println!("begins: {name}");
            let begun = Instant::now();
            let outcome = (behaviour.run)(tests);
            tests.report.case(&name, outcome);
            tests.report.took(&name, begun.elapsed());
        }
    }
}

/// Runs forktrace to its end and wants an exit status.
pub(crate) fn forktrace(tests: &Tests, arguments: &[&str], wanted: i32) -> Result<Running> {
    let mut command = Command::new(&tests.binary);
    command.args(arguments);
    let mut running = Running::start(&tests.scratch, "command", &mut command)?;
    running
        .wait_for_exit(wanted)
        .with_context(|| format!("forktrace {}", arguments.join(" ")))?;
    Ok(running)
}

/// Starts a recording.
pub(crate) fn record(tests: &Tests, arguments: &[&str]) -> Result<Tracer> {
    started(Tracer::record(&tests.scratch, &tests.binary, arguments))
}

/// A tracer that has not started is an error here.
pub(crate) fn started(tracer: std::result::Result<Tracer, NotStarted>) -> Result<Tracer> {
    match tracer {
        Ok(tracer) => Ok(tracer),
        Err(NotStarted::Refused(said)) => bail!("exit status 3: {}", said.trim()),
        Err(NotStarted::Failed(error)) => Err(error),
    }
}

/// A user whose only process is refused each fork.
pub(crate) fn refused_user(comm: &str, uid: u32, count: u32) -> Result<Prober> {
    refused_user_in(comm, uid, count, || Ok(()))
}

/// The same, where `enter` brings the process to.
pub(crate) fn refused_user_in(
    comm: &str,
    uid: u32,
    count: u32,
    enter: impl FnOnce() -> Result<()>,
) -> Result<Prober> {
    Prober::start(comm, Kind::PLAIN, count, || {
        enter()?;
        sys::limit_nproc(1, 1)?;
        sys::become_uid(uid)?;
        Ok(Vec::new())
    })
}

/// Makes the refused attempts of a [`refused_user`].
pub(crate) fn provoke(prober: &mut Prober) -> Result<()> {
    must_fail(&prober.fire()?)
}

/// Waits until forktrace has recorded `count` failures of `pid`.
pub(crate) fn await_failures(tracer: &mut Tracer, pid: i32, count: u64) -> Result<()> {
    let found = machine::await_some(Duration::from_secs(10), || {
        if tracer.read().is_err() {
            return Some(());
        }
        (count_of(tracer, pid) >= count).then_some(())
    });
    let counted = count_of(tracer, pid);
    if found.is_none() || counted != count {
        bail!("{counted} failures of pid {pid} are recorded, wanted {count}");
    }
    Ok(())
}

/// Failures of `pid` that are recorded, repeats included.
pub(crate) fn count_of(tracer: &Tracer, pid: i32) -> u64 {
    let mut recorded = crate::expect::Recorded::default();
    for line in &tracer.lines {
        recorded.add(line);
    }
    recorded.count(pid as u32)
}

/// Runs a test in a child process with a mount namespace of its own.
pub(crate) fn in_own_mounts(test: impl FnOnce() -> Result<()>) -> Result<()> {
    let (_actor, _) = Actor::start("own-mounts", |link| {
        sys::own_mounts()?;
        // So that Command can wait.
        sys::signal::default(libc::SIGCHLD);
        test()?;
        link.step();
        Ok(())
    })?;
    Ok(())
}

/// In mounts of one's own: a new /run, of a machine that systemd seems to run, as pid 1 has its name.
pub(crate) fn under_systemd() -> Result<()> {
    sys::mount("none", Path::new("/run"), "tmpfs", "")?;
    fs::create_dir_all("/run/systemd/system")?;
    let name = Path::new("/run/name-of-pid-1");
    fs::write(name, "systemd\n")?;
    sys::bind(name, Path::new("/proc/1/comm"))?;
    Ok(())
}

/// Waits until it says this.
pub(crate) fn await_text(printed: impl Fn() -> String, text: &str) -> Result<()> {
    machine::await_some(PATIENCE, || printed().contains(text).then_some(()))
        .with_context(|| format!("it does not say {text:?}: {}", printed().escape_debug()))
}

/// Words that no output may hold: a Rust program that lost its way.
pub(crate) fn no_panic(said: &str) -> Result<()> {
    if said.contains("panicked") {
        bail!("it panicked: {}", said.trim());
    }
    Ok(())
}

/// This program, to run under `forktrace live --`.
pub(crate) fn own_program() -> String {
    std::env::current_exe().map_or_else(
        |_| "/proc/self/exe".to_owned(),
        |path| path.to_string_lossy().into_owned(),
    )
}

/// `scenarios helper`: what the tests run under forktrace. True is exit status
/// 0; other statuses leave from here.
pub(crate) fn helper(what: &str, argument: Option<&str>) -> Result<bool> {
    let argument = argument.unwrap_or_default();
    match what {
        // Ends with a status.
        "exit" => sys::exit(argument.parse()?),
        // Waits for a file, is refused once, ends with status 9.
        "refused-after" => {
            let there = machine::await_some(Duration::from_secs(60), || {
                Path::new(argument).exists().then_some(())
            });
            there.context("the file did not come")?;
            be_refused(argument_uid())?;
            sys::exit(9)
        }
        // Is somebody else, says so by a file, and stays until it is killed.
        "another-user" => {
            sys::become_uid(argument_uid())?;
            fs::write(argument, "")?;
            std::thread::sleep(Duration::from_secs(600));
            Ok(true)
        }
        // A grandchild in a session of its own is refused once; status 7.
        "daemon" => daemon(),
        // Is refused under a name that would colour a terminal.
        "hostile" => {
            sys::set_comm(HOSTILE);
            be_refused(argument_uid())?;
            Ok(true)
        }
        // The same, and stays until a file is there.
        "hostile-until" => {
            sys::set_comm(HOSTILE);
            be_refused(argument_uid())?;
            let there = machine::await_some(Duration::from_secs(60), || {
                Path::new(argument).exists().then_some(())
            });
            there.context("the file did not come")?;
            Ok(true)
        }
        _ => bail!("no helper {what:?}"),
    }
}

/// A comm full of what a terminal acts on, and no UTF-8.
pub(crate) const HOSTILE: &[u8] = b"\x1b[31m\n\t\xff\x9b2J\x07x";

fn argument_uid() -> u32 {
    4_000_000 + std::process::id() % 100_000
}

fn be_refused(uid: u32) -> Result<()> {
    sys::limit_nproc(1, 1)?;
    sys::become_uid(uid)?;
    must_fail(&[attempt(Kind::PLAIN)])
}

fn daemon() -> Result<bool> {
    let (from, to) = sys::pipe()?;
    let child = sys::child("fork", || {
        let middle = sys::pid();
        let _ = rustix::process::setsid();
        if !matches!(sys::fork("fork of a grandchild"), Ok(None)) {
            return 0;
        }
        sys::set_comm("grandchild");
        // Refused only once it is an orphan.
        machine::await_some(Duration::from_secs(10), || {
            (sys::parent() != middle).then_some(())
        });
        let _ = rustix::io::write(&to, if orphan().is_ok() { b"y" } else { b"n" });
        0
    })?;
    sys::reap(child);
    // The writing end is the grandchild's alone.
    drop(to);
    let mut word = [0];
    let read = rustix::io::read(&from, &mut word);
    sys::exit(if read == Ok(1) && word == *b"y" { 7 } else { 1 })
}

/// Is refused, by its user's limit.
fn orphan() -> Result<()> {
    let uid = argument_uid();
    sys::limit_nproc(1, 1)?;
    sys::become_user(uid, uid)?;
    must_fail(&[attempt(Kind::PLAIN)])
}
