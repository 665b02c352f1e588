//! Settings of the host: how many mappings a process may have, and how much
//! memory may be promised.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Errno, Unit};

use super::caller::{
    MIB, Rlimit, WantedRefusal, bare, caller, expect_all, fire, guarded, huge, of_process, thread,
};
use crate::actor::Actor;
use crate::attempt::{Attempt, Kind};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::machine;
use crate::pthread;
use crate::scenario::overcommit::CommitLimit;
use crate::scenario::{Place, Run, skip};
use crate::setting;

/// So many mappings that can't be merged.
const MAPPINGS: usize = 431;

/// vm.max_map_count below what the caller has (mmap refuses), or at it
/// (mprotect refuses to split the guard off); with RLIMIT_AS exhausted as well,
/// which the kernel looks at later.
pub(super) fn maps(place: &Place, tag: &str, kind: Kind, as_room: Option<u64>) -> Result<Run> {
    let sysctl = setting::keep("vm/max_map_count")?;
    let mut run = Run::default();
    let mut callers = Vec::new();
    for (who, uid) in [("root", 0), ("user", place.uid(74))] {
        let comm = format!("{tag}-{who}");
        let (actor, report) = Actor::start(&comm, |link| {
            sys::become_uid(uid)?;
            sys::map_many(MAPPINGS)?;
            pthread::mappings()?;
            if let Some(room) = as_room {
                Rlimit::AS.leave_room(room)?;
            }
            link.ready(vec![pthread::mappings()?]);
            link.ready(vec![Attempt {
                kind,
                ..thread(guarded(5))
            }]);
            Ok(())
        })?;
        callers.push((actor, uid, report.numbers.first().copied().unwrap_or(0)));
    }
    for (mut actor, uid, mappings) in callers {
        let (value, usage) = match kind {
            Kind::StackMmap => (mappings - 9, Number::Exact(mappings)),
            // mmap may have merged the stack with a neighbour.
            _ => (mappings, Number::Between(mappings, mappings + 1)),
        };
        sysctl.change(value)?;
        let attempts = actor.go()?.attempts;
        let limit = of_process(
            "vm.max_map_count",
            Number::Exact(value),
            usage,
            Unit::Mappings,
        );
        expect_all(&mut run, actor, &attempts, Cause::MaxMapCount, |e| Expect {
            errno: Errno::ENOMEM,
            requested: Some(1),
            ..e.uid(uid).limit(limit.clone())
        })?;
    }
    // Where the kernel doesn't show the symbol, the value is read after the failure.
    run.keep(sysctl);
    Ok(run)
}

/// A caller that sets itself no limit: what it measures isn't looked at.
fn unlimited(wanted: &WantedRefusal) -> Result<(Actor, u64)> {
    caller(wanted, Rlimit::AS.usage, || Ok(0))
}

/// The caller is refused what may not be promised.
fn refused_by_host(
    run: &mut Run,
    wanted: &WantedRefusal,
    caller: (Actor, u64),
    name: &'static str,
    (value, usage): (Number, Number),
) -> Result<()> {
    fire(
        run,
        wanted,
        caller,
        Cause::Overcommit,
        Errno::ENOMEM,
        |_, _| WantedLimit {
            name: Some(name),
            scope: Scope::Exact("host".to_owned()),
            value: value.clone(),
            usage: usage.clone(),
            unit: Some(Unit::Bytes),
            file: None,
        },
    )
}

/// Mode 2, with room for less than any of the stacks. The callers are there
/// before, while everything is allowed.
pub(super) fn never(place: &Place) -> Result<Run> {
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let kept = CommitLimit::keep()?;
    let mut run = Run::default();
    let mut callers = Vec::new();
    for wanted in [
        WantedRefusal::of("stnever-root", guarded(141), Kind::StackMprotect),
        WantedRefusal::of("stnever-user", guarded(173), Kind::StackMprotect).uid(place.uid(75)),
        WantedRefusal::of("stnever-bare", bare(157), Kind::StackMmap),
    ] {
        let caller = unlimited(&wanted)?;
        callers.push((wanted, caller));
    }
    let committed = machine::meminfo("Committed_AS")?;
    let room = committed + 70 * MIB;
    std::fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    mode.change(2)?;
    let limit = machine::meminfo("CommitLimit")?;
    // The kernel's count of what is promised is exact to a batch per CPU.
    let slack = 16 * MIB;
    for (wanted, caller) in callers {
        let usage = Number::Between(committed.saturating_sub(slack), committed + slack);
        let numbers = (Number::Exact(limit), usage);
        refused_by_host(&mut run, &wanted, caller, "CommitLimit", numbers)?;
    }
    run.keep(mode);
    run.keep(kept);
    Ok(run)
}

/// In mode 0 only what is larger than RAM and swap is refused.
pub(super) fn heuristic(place: &Place) -> Result<Run> {
    let mode = setting::read("vm/overcommit_memory")?;
    if mode != 0 {
        return skip(format!("vm.overcommit_memory is {mode} here"));
    }
    let mut run = Run::default();
    for wanted in [
        WantedRefusal::of("sthuge-root", huge(true)?, Kind::StackMprotect),
        WantedRefusal::of("sthuge-bare", huge(false)?, Kind::StackMmap).uid(place.uid(76)),
    ] {
        let caller = unlimited(&wanted)?;
        let numbers = (Number::Any, Number::Null);
        refused_by_host(&mut run, &wanted, caller, "vm.overcommit_memory", numbers)?;
    }
    Ok(run)
}
