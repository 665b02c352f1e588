//! `sched_ext`: a scheduler in BPF refuses.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::Errno;

use super::{Place, Reach, Run, Scenario, probers, skip};
use crate::attempt::{Attempt, Kind};
use crate::bpf_scheduler::{self, NAME, Scheduler};
use crate::expect::{Expect, Number, Scope, WantedLimit};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "sched_ext_eagain",
        reach: Reach::Host,
        run: |place| refused(place, "sca", libc::EAGAIN),
    },
    Scenario {
        name: "sched_ext_enomem",
        reach: Reach::Host,
        run: |place| refused(place, "scm", libc::ENOMEM),
    },
];

/// Of a session with `--errno all`.
pub(super) const OTHER_ERRNOS: &[Scenario] = &[Scenario {
    name: "sched_ext_eperm",
    reach: Reach::Host,
    run: |place| refused(place, "scp", libc::EPERM),
}];

fn refused(place: &Place, tag: &str, errno: i32) -> Result<Run> {
    if !bpf_scheduler::possible() {
        return skip("this kernel takes no BPF schedulers");
    }
    if std::thread::available_parallelism()?.get() > 1 {
        // Loading one patches code that both run (static keys), which breaks
        // emulated machines.
        return skip("on one processor only");
    }
    let mut run = Run::default();
    let nice = || Ok(sys::be_nice(None, bpf_scheduler::NICE)?);
    let mut callers = probers(tag, Kind::ALL, place.count, nice)?;
    let scheduler = Scheduler::new(errno)?;
    for caller in &mut callers {
        for a in caller.fire()? {
            run.expects.push(expected(&caller.actor, &a, errno)?);
        }
    }
    run.keep(scheduler);
    run.keep(callers);
    Ok(run)
}

fn expected(actor: &crate::actor::Actor, a: &Attempt, errno: i32) -> Result<Expect> {
    if a.errno != errno {
        anyhow::bail!("{} answered {}, wanted {errno}", a.kind.label(), a.errno);
    }
    let mut expect = Expect::of(actor, a, Cause::SchedExt)
        .limit(WantedLimit {
            name: Some("sched_ext"),
            scope: Scope::Exact(format!("scheduler {NAME}")),
            value: Number::Null,
            usage: Number::Null,
            unit: None,
            file: None,
        })
        // Nothing there tells it apart from a security module.
        .may_be_unknown();
    expect.errno = Errno::from_number(errno).unwrap_or(Errno::EAGAIN);
    // Memory for other things is asked for at the same stage.
    expect.inferred = errno == libc::ENOMEM;
    Ok(expect)
}
