//! `exec_in_progress`: a thread asks for another while its process is within
//! execve(2).

use anyhow::Context;
use forktrace::cause::Cause;
use forktrace::provoke::held_exec::HeldExec;

use super::{Place, Reach, Run, Scenario, must_fail};
use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::expect::Expect;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "exec_in_progress",
    reach: Reach::Own,
    run,
}];

fn run(_place: &Place) -> anyhow::Result<Run> {
    let mut run = Run::default();
    let (caller, report) = Actor::start("inexec-clone", |link| {
        let held = HeldExec::new().context("make an execve that can be held")?;
        let refused = held
            .during(|| attempt(Kind::CloneThread))
            .context("hold an execve")?;
        link.ready(vec![refused]);
        Ok(())
    })?;
    must_fail(&report.attempts)?;
    for a in &report.attempts {
        run.expects
            .push(Expect::of(&caller, a, Cause::ExecInProgress));
    }
    run.keep(caller);
    Ok(run)
}
