//! `threads_max`: the host has as many tasks as kernel.threads-max allows.
//! Nobody is exempt.

use anyhow::{Result, bail};
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, must_fail, probers};
use crate::actor::Actor;
use crate::attempt::Kind;
use crate::expect::{Expect, Number, WantedLimit};
use crate::machine;
use crate::setting;
use crate::sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "threads_max_root",
        reach: Reach::Host,
        run: |place| below_use(place, "tmr", 0, 5),
    },
    Scenario {
        name: "threads_max_user",
        reach: Reach::Host,
        run: |place| below_use(place, "tmu", place.uid(30), 9),
    },
    Scenario {
        name: "threads_max_exact",
        reach: Reach::Host,
        run: exact,
    },
];

/// The limit comes down to less than there is.
fn below_use(place: &Place, tag: &str, uid: u32, less: u64) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers(tag, Kind::ALL, place.count, || Ok(sys::become_uid(uid)?))?;
    let value = machine::settled_tasks_on_host()? - less;
    let sysctl = setting::set("kernel/threads-max", value)?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::ThreadsMax)
            .uid(uid)
            .limit(WantedLimit::threads(value))
    })?;
    run.keep(sysctl);
    run.keep(callers);
    Ok(run)
}

/// Forks up to the limit.
fn exact(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers("tme", Kind::ALL, place.count, || Ok(()))?;
    let (mut filler, _) = Actor::start("tme-fill", |link| {
        link.step();
        let (_, refused) = sleepers::fill(Kind::PLAIN, 100);
        link.ready(Vec::from_iter(refused));
        Ok(())
    })?;
    let value = machine::settled_tasks_on_host()? + 11;
    let sysctl = setting::set("kernel/threads-max", value)?;
    let refused = filler.go()?.attempts;
    if refused.is_empty() {
        bail!("{value} tasks could not be made");
    }
    must_fail(&refused)?;
    let limit = || WantedLimit {
        usage: Number::Between(value, value + 3),
        ..WantedLimit::threads(value)
    };
    run.expects
        .push(Expect::of(&filler, &refused[0], Cause::ThreadsMax).limit(limit()));
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::ThreadsMax).limit(limit())
    })?;
    run.keep(sysctl);
    run.keep(filler);
    run.keep(callers);
    Ok(run)
}
