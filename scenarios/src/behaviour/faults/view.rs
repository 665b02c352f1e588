//! forktrace where it sees a part of the host only: in a container, with a /proc that hides others,
//! without cgroups.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Failure, Inside, Owner, Record};

use super::super::{
    Behaviour, await_failures, forktrace, in_own_mounts, own_program, provoke, record, refused_user,
};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::runner::Tests;
use crate::sleepers::Sleepers;
use crate::tracer::{Tracer, parse_file};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_inside_a_container",
        run: container,
    },
    Behaviour {
        name: "fault_proc_hides_others",
        run: hidden,
    },
    Behaviour {
        name: "fault_no_cgroup_mounted",
        run: no_cgroup,
    },
];

/// All failures of a process.
fn of(tracer: &Tracer, pid: u32) -> Vec<&Failure> {
    let failures = tracer.lines.iter().filter_map(|l| match &l.record {
        Record::Failure(f) if f.caller.pid == pid => Some(&**f),
        _ => None,
    });
    failures.collect()
}

/// pid, mount and cgroup namespaces of its own, and a /proc that has somebody else by the number of
/// who is refused outside.
fn container(tests: &Tests) -> Result<()> {
    let mut outside = refused_user("outside", tests.place.uid(131), 2)?;
    let pid = outside.actor.pid();
    let (mut inside, _) = Actor::start("container", |link| {
        enter_container()?;
        let _namesake = namesake(pid)?;
        let mut tracer = record(tests, &["--comm", "outside"])?;
        link.step();
        await_failures(&mut tracer, pid, 2)?;
        check_container(&tracer, pid as u32)?;
        tracer.end()?;
        a_command_inside(tests)?;
        let pid = std::process::id().to_string();
        let said = forktrace(tests, &["live", "--pid", &pid], 2)?.said();
        ensure!(said.contains("pid namespace"), "--pid: it said {said}");
        link.step();
        Ok(())
    })?;
    provoke(&mut outside)?;
    inside.go()?;
    Ok(())
}

fn enter_container() -> Result<()> {
    sys::enter_pid_namespace(libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP)?;
    sys::private_mounts()?;
    sys::mount("proc", Path::new("/proc"), "proc", "")?;
    // So that Command can wait.
    sys::signal::default(libc::SIGCHLD);
    Ok(())
}

/// A process of this pid namespace with that number.
fn namesake(pid: i32) -> Result<Sleepers> {
    let last = "/proc/sys/kernel/ns_last_pid";
    fs::write(last, (pid - 1).to_string()).with_context(|| format!("write {last}"))?;
    let sleepers = Sleepers::start(1, || Ok(()))?;
    let exe = fs::read_link(format!("/proc/{pid}/exe"));
    ensure!(exe.is_ok(), "nobody in the container has the number {pid}");
    Ok(sleepers)
}

fn check_container(tracer: &Tracer, pid: u32) -> Result<()> {
    ensure!(
        tracer.session.inside == [Inside::PidNamespace, Inside::CgroupNamespace],
        "the session says it is inside {:?}",
        tracer.session.inside
    );
    for failure in of(tracer, pid) {
        ensure!(
            failure.cause == Cause::RlimitNproc,
            "cause is {:?}",
            failure.cause
        );
        ensure!(
            failure.caller.exe.is_none(),
            "another process's executable is named: {:?}",
            failure.caller.exe
        );
        ensure!(failure.holders.is_empty(), "holders: {:?}", failure.holders);
    }
    Ok(())
}

/// The command is forktrace's child by the host's numbers, which nothing inside shows.
fn a_command_inside(tests: &Tests) -> Result<()> {
    let program = own_program();
    let arguments = [
        "live", "--format", "json", "--", &program, "helper", "hostile",
    ];
    let running = forktrace(tests, &arguments, 0)?;
    let lines = parse_file(&running.stdout)?;
    let failures = lines
        .iter()
        .filter(|l| matches!(l.record, Record::Failure(_)))
        .count();
    ensure!(
        failures == 1,
        "{failures} failures of the command are recorded"
    );
    let arguments = ["live", "--", &program, "helper", "hostile"];
    let printed = forktrace(tests, &arguments, 0)?.printed();
    for line in ["inside a pid namespace: ", "inside a cgroup namespace: "] {
        ensure!(printed.contains(line), "no {line:?} in {printed}");
    }
    Ok(())
}

/// hidepid=2, and no CAP_SYS_PTRACE, which would see through it.
fn hidden(tests: &Tests) -> Result<()> {
    const CAP_SYS_PTRACE: u32 = 19;
    let mut user = refused_user("hidden", tests.place.uid(132), 3)?;
    let pid = user.actor.pid();
    let uid = tests.place.uid(133);
    let (mut watcher, _) = Actor::start("watcher", |link| {
        sys::own_mounts()?;
        sys::mount("proc", Path::new("/proc"), "proc", "hidepid=2")?;
        // As in `enter_container`.
        sys::signal::default(libc::SIGCHLD);
        sys::become_uid_with_capabilities(uid, &[CAP_SYS_PTRACE])?;
        ensure!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "hidepid hides nobody"
        );
        let said = forktrace(tests, &["check", "--pid", &pid.to_string()], 2)?.said();
        ensure!(said.contains("hidepid"), "hidepid is not named: {said}");
        let mut tracer = record(tests, &["--comm", "hidden"])?;
        link.step();
        await_failures(&mut tracer, pid, 3)?;
        ensure!(tracer.session.inside.is_empty(), "it is on the host");
        let said = tracer.session.absent.join("\n");
        ensure!(said.contains("hidepid"), "hidepid is not named: {said}");
        for failure in of(&tracer, pid as u32) {
            ensure!(
                failure.cause == Cause::RlimitNproc && failure.caller.exe.is_none(),
                "{failure:?}"
            );
            ensure!(
                failure.holders.is_empty(),
                "counted among those that it sees: {:?}",
                failure.holders
            );
        }
        let summary = tracer.end()?;
        ensure!(summary.failures == 3, "{} failures", summary.failures);
        link.step();
        Ok(())
    })?;
    provoke(&mut user)?;
    watcher.go()?;
    Ok(())
}

/// The limit is named by the kernel's own path, though no folder shows it.
fn no_cgroup(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("unseen")?;
    let home = tree.top();
    in_own_mounts(|| {
        let mut prober = Prober::start("unseen", Kind::PLAIN, 2, || {
            home.enter()?;
            Ok(Vec::new())
        })?;
        home.limit(1)?;
        while is_mounted("/sys/fs/cgroup")? {
            sys::unmount(Path::new("/sys/fs/cgroup"))?;
        }
        let mut tracer = record(tests, &["--comm", "unseen"])?;
        provoke(&mut prober)?;
        await_failures(&mut tracer, prober.actor.pid(), 2)?;
        for failure in of(&tracer, prober.actor.pid() as u32) {
            let limit = failure.limit.as_ref().context("no limit")?;
            ensure!(
                failure.cause == Cause::CgroupPidsMax
                    && limit.owner == Owner::cgroup(home.shown())
                    && limit.value == Some(1)
                    && limit.file.is_none(),
                "{failure:?}"
            );
        }
        tracer.end()?;
        Ok(())
    })
}

fn is_mounted(at: &str) -> Result<bool> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    Ok(mounts.lines().any(|l| l.split(' ').nth(4) == Some(at)))
}
