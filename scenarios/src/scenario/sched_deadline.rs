//! `sched_deadline`: a SCHED_DEADLINE task may not create another.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, probers, skip};
use crate::attempt::Kind;
use crate::expect::Expect;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "sched_deadline",
    reach: Reach::Own,
    run,
}];

fn run(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = match probers("dl", Kind::ALL, place.count, || {
        Ok(sys::sched_deadline(10)?)
    }) {
        Ok(callers) => callers,
        Err(error) => return skip(format!("{error:#}")),
    };
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::SchedDeadline).may_be_unknown()
    })?;
    run.keep(callers);
    Ok(run)
}
