//! A limit that somebody raises right after it has refused: the verdict is what
//! the kernel compared, not what there is to read a moment later.

use anyhow::{Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::{Failure, Record};

use super::{Behaviour, await_failures, provoke, record};
use crate::actor::{Actor, Prober};
use crate::attempt::{Attempt, Kind, attempt};
use crate::runner::{Tests, Where};
use crate::scenario::must_fail;
use crate::tracer::Tracer;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "limit_raised_auto",
        run: |tests| raised(tests, "auto"),
    },
    Behaviour {
        name: "limit_raised_kprobe",
        run: |tests| match tests.at {
            Where::Host => Ok(()),
            Where::TestMachine => raised(tests, "kprobe"),
        },
    },
    Behaviour {
        name: "limit_raised_tracepoint",
        run: |tests| raised(tests, "tracepoint"),
    },
];

fn raised(tests: &Tests, style: &str) -> Result<()> {
    let tree = tests.place.cgroups.tree("raised")?;
    let home = tree.at(&["inner"])?;
    let mut in_cgroup = Prober::start("raised-pids", Kind::PLAIN, 3, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    tree.top().limit(1)?;
    let uid = tests.place.uid(122);
    let (mut user, _) = Actor::start("raised-nproc", |link| {
        sys::limit_nproc(1, 600)?;
        sys::become_uid(uid)?;
        link.step();
        let refused: Vec<Attempt> = (0..3).map(|_| attempt(Kind::PLAIN)).collect();
        sys::limit_nproc(600, 600)?;
        link.ready(refused);
        Ok(())
    })?;
    let mut tracer = record(tests, &["--attach", style])?;
    // It reads nothing until everything has changed.
    tracer.running.signal(Signal::STOP);
    provoke(&mut in_cgroup)?;
    must_fail(&user.go()?.attempts)?;
    tree.top().limit(500)?;
    tracer.running.signal(Signal::CONT);
    await_failures(&mut tracer, in_cgroup.actor.pid(), 3)?;
    await_failures(&mut tracer, user.pid(), 3)?;
    tracer.end()?;
    all(&tracer, in_cgroup.actor.pid(), Cause::CgroupPidsMax)?;
    all(&tracer, user.pid(), Cause::RlimitNproc)
}

/// Each refusal of `pid` was by this limit, which was 1 then, and full.
fn all(tracer: &Tracer, pid: i32, cause: Cause) -> Result<()> {
    let of_pid = |f: &&Failure| f.caller.pid == pid as u32;
    let failures = tracer.lines.iter().filter_map(|l| match &l.record {
        Record::Failure(failure) => Some(&**failure),
        _ => None,
    });
    for failure in failures.filter(of_pid) {
        ensure!(failure.cause == cause, "cause is {:?}", failure.cause);
        let Some(limit) = &failure.limit else {
            bail!("no limit");
        };
        ensure!(
            limit.value == Some(1) && limit.usage == Some(1),
            "limit is {limit:?}"
        );
    }
    Ok(())
}
