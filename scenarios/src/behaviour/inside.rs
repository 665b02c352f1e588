//! Creations that no system call asked for: the kernel's own, which the
//! function styles see.

use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Resource};
use forktrace::record::{Certainty, Errno, Failure, Operation, Owner, Record};

use super::{Behaviour, record};
use crate::actor::Actor;
use crate::arch::page;
use crate::io_uring::Ring;
use crate::machine;
use crate::runner::{Tests, Where};
use crate::scenario::memory;
use crate::setting;
use crate::tracer::Tracer;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "io_worker_fexit",
        run: |tests| io_worker(tests, "fexit"),
    },
    Behaviour {
        name: "io_worker_kprobe",
        run: |tests| io_worker(tests, "kprobe"),
    },
    Behaviour {
        name: "io_worker_memory_fexit",
        run: |tests| io_worker_memory(tests, "fexit"),
    },
    Behaviour {
        name: "io_worker_memory_kprobe",
        run: |tests| io_worker_memory(tests, "kprobe"),
    },
    Behaviour {
        name: "core_dump_helper_fexit",
        run: |tests| core_dump_helper(tests, "fexit"),
    },
    Behaviour {
        name: "core_dump_helper_kprobe",
        run: |tests| core_dump_helper(tests, "kprobe"),
    },
];

fn await_failure(tracer: &mut Tracer, wanted: impl Fn(&Failure) -> bool) -> Result<Failure> {
    let found = machine::await_some(Duration::from_secs(20), || {
        let _ = tracer.read();
        tracer.lines.iter().find_map(|l| match &l.record {
            Record::Failure(failure) if wanted(failure) => Some((**failure).clone()),
            _ => None,
        })
    });
    found.with_context(|| {
        let raw: Vec<&str> = tracer.lines.iter().map(|l| l.raw.as_str()).collect();
        format!("no such record in {}", raw.join("\n"))
    })
}

/// io_uring wants a worker at pids.max; its submitter only hears ECANCELED.
fn io_worker(tests: &Tests, style: &str) -> Result<()> {
    if tests.at == Where::Host {
        return Ok(());
    }
    let mut tracer = record(tests, &["--attach", style])?;
    let tree = tests.place.cgroups.tree("uring")?;
    let home = tree.at(&["inner"])?;
    let (mut actor, _) = Actor::start("submitter", |link| {
        home.enter()?;
        let (silent, _to) = sys::pipe()?;
        let ring = Ring::new(silent.as_raw_fd())?;
        link.step();
        ring.submit()?;
        link.step();
        Ok(())
    })?;
    tree.top().limit(1)?;
    actor.go()?;
    let pid = actor.pid() as u32;
    let failure = await_failure(&mut tracer, |f| f.caller.pid == pid)?;
    tracer.end()?;
    ensure!(
        failure.operation == Operation::IoWorker,
        "operation is {:?}",
        failure.operation
    );
    ensure!(
        failure.errno == Errno::EAGAIN,
        "errno is {:?}",
        failure.errno
    );
    ensure!(
        failure.cause == Cause::CgroupPidsMax,
        "cause is {:?}",
        failure.cause
    );
    let limit = failure.limit.context("no limit")?;
    ensure!(
        limit.owner == Owner::cgroup(tree.top().shown())
            && limit.value == Some(1)
            && limit.usage == Some(1),
        "limit is {limit:?}"
    );
    ensure!(
        failure.syscall.is_none(),
        "syscall is {:?}",
        failure.syscall
    );
    Ok(())
}

/// The same in a full memory cgroup with nobody in it to kill.
fn io_worker_memory(tests: &Tests, style: &str) -> Result<()> {
    let cgroups = &tests.place.cgroups;
    if tests.at == Where::Host || !cgroups.pids_is_v2 || cgroups.memory().is_none() {
        return Ok(());
    }
    let mut tracer = record(tests, &["--attach", style])?;
    let tree = cgroups.tree("uring-m")?;
    let home = memory::under(&tree, cgroups, 1)?;
    let _console = memory::quiet_console()?;
    let (mut actor, _) = Actor::start("submitter-m", |link| {
        fs::write("/proc/self/oom_score_adj", "-1000")?;
        let leave = memory::way_out(cgroups)?;
        home.enter()?;
        let (silent, _to) = sys::pipe()?;
        let ring = Ring::new(silent.as_raw_fd())?;
        memory::touch_everything();
        link.step();
        let handed_in = ring.submit();
        (&leave).write_all(b"0")?;
        handed_in?;
        link.step();
        Ok(())
    })?;
    let top = tree.top();
    memory::set(&top.dir.join("memory.max"), page() as u64)?;
    actor.go()?;
    let pid = actor.pid() as u32;
    let failure = await_failure(&mut tracer, |f| f.caller.pid == pid)?;
    tracer.end()?;
    ensure!(
        failure.operation == Operation::IoWorker && failure.errno == Errno::ENOMEM,
        "operation is {:?}, errno {:?}",
        failure.operation,
        failure.errno
    );
    ensure!(
        failure.cause == Cause::CgroupMemoryMax && failure.certainty == Certainty::Observed,
        "cause is {:?} ({:?})",
        failure.cause,
        failure.certainty
    );
    let limit = failure.limit.context("no limit")?;
    ensure!(
        limit.owner == Owner::cgroup(top.shown())
            && limit.value == Some(page() as u64)
            && limit.usage >= limit.value,
        "limit is {limit:?}"
    );
    Ok(())
}

/// core_pattern names a program: the kernel starts it from a worker of its own,
/// root's, which threads-max refuses like anybody.
fn core_dump_helper(tests: &Tests, style: &str) -> Result<()> {
    if tests.at == Where::Host {
        return Ok(());
    }
    let mut tracer = record(tests, &["--attach", style])?;
    let pattern = "/proc/sys/kernel/core_pattern";
    let before = fs::read_to_string(pattern)?;
    fs::write(pattern, "|/bin/false")?;
    let (mut actor, _) = Actor::start("dumper", |link| {
        sys::limit(Resource::Core, sys::INFINITY, sys::INFINITY)?;
        link.step();
        // With a core.
        std::process::abort()
    })?;
    let limit = setting::set("kernel/threads-max", 20)?;
    actor.send()?;
    let failure = await_failure(&mut tracer, |f| f.operation == Operation::KernelThread);
    drop(limit);
    fs::write(pattern, before.trim_end())?;
    let failure = failure?;
    tracer.end()?;
    ensure!(
        failure.cause == Cause::ThreadsMax && failure.errno == Errno::EAGAIN,
        "cause is {:?}, errno {:?}",
        failure.cause,
        failure.errno
    );
    let limit = failure.limit.context("no limit")?;
    ensure!(
        limit.value == Some(20) && limit.usage >= Some(20),
        "limit is {limit:?}"
    );
    ensure!(failure.caller.uid == 0 && failure.syscall.is_none());
    Ok(())
}
