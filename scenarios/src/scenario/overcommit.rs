//! `overcommit`: the copy of the address space is more than may be promised.

use std::fs;

use anyhow::Result;
use forktrace::arch::Page;
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Errno, Unit};

use super::{Place, Reach, Run, Scenario, must_succeed};
use crate::actor::{Actor, Prober};
use crate::attempt::{Kind, attempt};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::machine;
use crate::setting;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "overcommit_kbytes",
        reach: Reach::Host,
        run: |place| never(place, "ovk", 0, 96 << 20, false),
    },
    Scenario {
        name: "overcommit_kbytes_user",
        reach: Reach::Host,
        run: |place| never(place, "ovu", place.uid(40), 160 << 20, false),
    },
    Scenario {
        name: "overcommit_ratio",
        reach: Reach::Host,
        run: |place| never(place, "ovr", 0, 128 << 20, true),
    },
    Scenario {
        name: "overcommit_mappings",
        reach: Reach::Host,
        run: mappings,
    },
    Scenario {
        name: "overcommit_heuristic_150",
        reach: Reach::Host,
        run: |place| heuristic(place, "oh150", 0, 150),
    },
    Scenario {
        name: "overcommit_heuristic_300",
        reach: Reach::Host,
        run: |place| heuristic(place, "oh300", place.uid(41), 300),
    },
];

/// Callers with a private writable mapping of `bytes`, and one that asks for
/// what doesn't copy it.
struct Cast {
    callers: Vec<Prober>,
    sharing: Actor,
}

fn cast(place: &Place, tag: &str, uid: u32, bytes: u64) -> Result<Cast> {
    let mut callers = Vec::new();
    for kind in Kind::COPIES {
        let comm = format!("{tag}-{}", kind.label());
        callers.push(Prober::start(&comm, *kind, place.count, || {
            sys::become_uid(uid)?;
            sys::map(bytes)?;
            Ok(Vec::new())
        })?);
    }
    let (sharing, _) = Actor::start(format!("{tag}-sharing"), |link| {
        sys::become_uid(uid)?;
        sys::map(bytes)?;
        link.step();
        let mut tried = vec![attempt(Kind::CloneThread), attempt(Kind::Clone3Thread)];
        tried.push(attempt(Kind::SHARING));
        link.ready(tried);
        Ok(())
    })?;
    Ok(Cast { callers, sharing })
}

fn fire(mut cast: Cast, uid: u32, value: &Number, usage: &Number) -> Result<Run> {
    let mut run = Run::default();
    run.fire(&mut cast.callers, |p, a| {
        let mut expect = Expect::of(&p.actor, a, Cause::Overcommit)
            .uid(uid)
            .limit(WantedLimit {
                name: None,
                scope: Scope::Exact("host".to_owned()),
                value: value.clone(),
                usage: usage.clone(),
                unit: Some(Unit::Bytes),
                file: None,
            })
            .may_be_unknown();
        expect.errno = Errno::ENOMEM;
        expect
    })?;
    must_succeed(&cast.sharing.go()?.attempts)?;
    run.quiet.push(cast.sharing.pid() as u32);
    run.keep(cast.callers);
    run.keep(cast.sharing);
    Ok(run)
}

/// Mode 2, with room for a part of the mapping only.
fn never(place: &Place, tag: &str, uid: u32, bytes: u64, by_ratio: bool) -> Result<Run> {
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let kept = CommitLimit::keep()?;
    let cast = cast(place, tag, uid, bytes)?;
    let committed = machine::meminfo("Committed_AS")?;
    let room = committed + bytes / 2;
    if by_ratio {
        let percent = (room * 100 / machine::meminfo("MemTotal")?) + 1;
        fs::write("/proc/sys/vm/overcommit_ratio", percent.to_string())?;
    } else {
        fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    }
    mode.change(2)?;
    let limit = machine::meminfo("CommitLimit")?;
    // The kernel's count of what is promised is exact to a batch per CPU.
    let slack = 16 << 20;
    let usage = Number::Between(committed.saturating_sub(slack), committed + bytes + slack);
    let value = Number::Exact(limit);
    let mut run = fire(cast, uid, &value, &usage)?;
    run.keep(mode);
    run.keep(kept);
    Ok(run)
}

/// Mode 2, of a process with many mappings. The kernel asks for one after the other: what is refused is one of them,
/// and those that come behind it have to fit as well.
fn mappings(place: &Place) -> Result<Run> {
    const MAPPINGS: u64 = 24;
    const EACH: u64 = 4 << 20;
    let apart = Page::here().bytes();
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let kept = CommitLimit::keep()?;
    let mut callers = Vec::new();
    for kind in Kind::COPIES {
        let comm = format!("ovm-{}", kind.label());
        callers.push(Prober::start(&comm, *kind, place.count, || {
            for _ in 0..MAPPINGS {
                // What can't be written to keeps the mappings apart.
                sys::map(EACH + apart)?.make_read_only(0, apart as usize)?;
            }
            Ok(Vec::new())
        })?);
    }
    let bytes = MAPPINGS * EACH;
    let committed = machine::meminfo("Committed_AS")?;
    let room = committed + bytes / 2;
    fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    mode.change(2)?;
    let slack = 16 << 20;
    let limit = WantedLimit {
        name: None,
        scope: Scope::Exact("host".to_owned()),
        value: Number::Exact(machine::meminfo("CommitLimit")?),
        usage: Number::Between(committed.saturating_sub(slack), committed + bytes + slack),
        unit: Some(Unit::Bytes),
        file: None,
    };
    let mut run = Run::default();
    run.fire(&mut callers, |p, a| {
        let mut expect = Expect::of(&p.actor, a, Cause::Overcommit)
            .limit(limit.clone())
            .may_be_unknown();
        expect.errno = Errno::ENOMEM;
        if !place.by_tracepoint() {
            expect.requested = Some(EACH);
            expect = expect
                .says("came to a mapping of 4.0 MiB, which")
                .says("with the whole copy the host would have promised up to ");
        }
        expect
    })?;
    run.keep(callers);
    run.keep(mode);
    run.keep(kept);
    Ok(run)
}

/// The setting of CommitLimit: the kernel keeps one of two sysctls and sets the
/// other to 0.
pub(super) struct CommitLimit {
    ratio: u64,
    kbytes: u64,
}

impl CommitLimit {
    pub(super) fn keep() -> Result<Self> {
        Ok(Self {
            ratio: setting::read("vm/overcommit_ratio")?,
            kbytes: setting::read("vm/overcommit_kbytes")?,
        })
    }
}

impl Drop for CommitLimit {
    fn drop(&mut self) {
        let back = if self.kbytes == 0 {
            fs::write("/proc/sys/vm/overcommit_ratio", self.ratio.to_string())
        } else {
            fs::write("/proc/sys/vm/overcommit_kbytes", self.kbytes.to_string())
        };
        if let Err(error) = back {
            eprintln!("CommitLimit was not set back: {error}");
        }
    }
}

/// Mode 0, with one mapping of more than there is memory and swap, made while
/// everything was allowed.
fn heuristic(place: &Place, tag: &str, uid: u32, percent: u64) -> Result<Run> {
    let mode = setting::set("vm/overcommit_memory", 1)?;
    let there = machine::meminfo("MemTotal")? + machine::meminfo("SwapTotal")?;
    let bytes = there / 100 * percent;
    let cast = cast(place, tag, uid, bytes)?;
    mode.change(0)?;
    let mut run = fire(cast, uid, &Number::Any, &Number::Any)?;
    run.keep(mode);
    Ok(run)
}
