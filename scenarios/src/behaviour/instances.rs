//! More calls sleep than a kretprobe has instances for: what it misses is not silent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::seccomp::{Action, install, supervise};
use forktrace::provoke::sys;

use super::{Behaviour, count_of, record};
use crate::actor::{Actor, Prober};
use crate::arch::CREATIONS;
use crate::attempt::Kind;
use crate::machine::{self, counts_skipped_kprobes};
use crate::runner::{Tests, Where};
use crate::scenario::must_fail;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[Behaviour {
    name: "kretprobe_instances_kprobe",
    run: |tests| match tests.at {
        Where::Host => Ok(()),
        Where::TestMachine => run_out(tests),
    },
}];

/// More than a kretprobe has instances, whatever the number of processors here.
const SLEEPERS: u64 = 60;
const REFUSED: u32 = 20;

/// A filter refuses forks while as many calls sleep in another filter as the probe of both can
/// follow.
fn run_out(tests: &Tests) -> Result<()> {
    let mut refused = Prober::start("instances", Kind::PLAIN, REFUSED, || {
        install(CREATIONS, Action::Errno(libc::EAGAIN))?;
        Ok(Vec::new())
    })?;
    let options = ["--attach", "kprobe", "--seccomp", "--comm", "instances"];
    let mut tracer = record(tests, &options)?;
    let sleepers = sleepers()?;
    must_fail(&refused.fire()?)?;
    let pid = refused.actor.pid();
    let summary = tracer.end()?;
    drop(sleepers);
    let recorded = count_of(&tracer, pid);
    let all = u64::from(REFUSED);
    ensure!(
        recorded < all,
        "no call went without an instance: {recorded} of {all}"
    );
    if counts_skipped_kprobes() {
        ensure!(
            recorded + summary.skipped >= all,
            "{recorded} of {all} are recorded, and {} said to be skipped",
            summary.skipped
        );
    } else {
        let absent = &tracer.session.absent;
        ensure!(
            absent.iter().any(|a| a.contains("serve few calls at once")),
            "{recorded} of {all} are recorded, and nothing says why: {absent:?}"
        );
    }
    Ok(())
}

/// Processes that each sleep in a system call that a supervisor is asked about.
fn sleepers() -> Result<Actor> {
    let (actor, _) = Actor::start("supervised", |link| {
        let supervisor = supervise(&[libc::SYS_getpriority])?;
        let mut pids = Vec::new();
        for _ in 0..SLEEPERS {
            let pid = sys::child("fork of a sleeper", || {
                sys::die_with_parent();
                let _ = rustix::process::getpriority_process(None);
                sys::sleep_for_ever()
            })?;
            pids.push(pid);
        }
        for pid in pids {
            let asks = || {
                let text = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
                let number = text.split_whitespace().next()?;
                (number.parse() == Ok(libc::SYS_getpriority)).then_some(())
            };
            machine::await_some(Duration::from_secs(10), asks)
                .context("a sleeper does not sleep")?;
        }
        link.step();
        drop(supervisor);
        Ok(())
    })?;
    Ok(actor)
}
