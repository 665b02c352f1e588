//! What `--errno all` adds: failures with other errnos than EAGAIN and ENOMEM.
//! These run in a session of their own that asks for them; and again in the
//! others, where none may be recorded.

mod arguments;
pub(crate) mod files;
mod killed;
mod namespaces;

use anyhow::{Result, bail};
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, negative, sched_ext};
use crate::actor::{Actor, Link};
use crate::attempt::{Attempt, CloneArgs, Kind, clone, clone3};
use crate::expect::Expect;

/// All of them, in the order in which they run.
pub(crate) fn all() -> Vec<Scenario> {
    let parts: [&[Scenario]; 5] = [
        namespaces::SCENARIOS,
        arguments::SCENARIOS,
        files::SCENARIOS,
        sched_ext::OTHER_ERRNOS,
        killed::SCENARIOS,
    ];
    // What is no failure whatever is asked for.
    let quiet = negative::SCENARIOS
        .iter()
        .filter(|s| matches!(s.name, "quiet_success" | "quiet_restart_timer"));
    parts
        .into_iter()
        .flatten()
        .chain(quiet)
        .map(Scenario::copy)
        .collect()
}

/// Scenarios that a session which doesn't ask for other errnos may not record.
/// Its own scenarios have the rest.
pub(crate) fn all_quiet() -> Vec<Scenario> {
    let mut all = all();
    all.retain(|s| !s.name.starts_with("quiet_") && s.name != "killed");
    all
}

const fn own(name: &'static str, run: fn(&Place) -> Result<Run>) -> Scenario {
    Scenario {
        name,
        reach: Reach::Own,
        run,
    }
}

const fn host(name: &'static str, run: fn(&Place) -> Result<Run>) -> Scenario {
    Scenario {
        name,
        reach: Reach::Host,
        run,
    }
}

/// clone(2) with these flags; a thread's say so themselves.
pub(crate) fn by_clone(flags: i32) -> Attempt {
    let kind = if flags & libc::CLONE_THREAD != 0 {
        Kind::CloneThread
    } else {
        Kind::CloneProcess
    };
    answered(kind, clone(flags))
}

/// clone3(2) of a process.
pub(crate) fn by_clone3(args: &CloneArgs) -> Attempt {
    answered(Kind::Clone3, clone3(args))
}

fn answered(kind: Kind, answer: isize) -> Attempt {
    Attempt {
        kind,
        tid: sys::tid(),
        errno: if answer < 0 { -answer as i32 } else { 0 },
    }
}

/// An actor that sends numbers after its set-up, and then what its attempts
/// came to, each of which has to answer `errno`.
fn refused(
    comm: &str,
    errno: i32,
    body: impl FnOnce(&Link) -> Result<(Vec<u64>, Vec<Attempt>)>,
) -> Result<(Actor, Vec<u64>, Vec<Attempt>)> {
    let (mut actor, report) = Actor::start(comm, |link| {
        let (numbers, attempts) = body(link)?;
        link.ready(numbers);
        link.ready(attempts);
        link.step();
        Ok(())
    })?;
    let attempts = actor.go()?.attempts;
    for a in &attempts {
        if a.errno != errno {
            bail!(
                "{comm}: {} answered {}, wanted {errno}",
                a.kind.label(),
                a.errno
            );
        }
    }
    Ok((actor, report.numbers, attempts))
}

/// The same, with the expectation that each is given this cause.
pub(crate) fn expect_all(
    run: &mut Run,
    comm: &str,
    errno: i32,
    cause: Cause,
    adapt: impl Fn(Expect, &[u64]) -> Expect,
    body: impl FnOnce(&Link) -> Result<(Vec<u64>, Vec<Attempt>)>,
) -> Result<()> {
    let (actor, numbers, attempts) = refused(comm, errno, body)?;
    for a in &attempts {
        let expect = Expect::of(&actor, a, cause);
        run.expects.push(adapt(expect, &numbers));
    }
    run.keep(actor);
    Ok(())
}
