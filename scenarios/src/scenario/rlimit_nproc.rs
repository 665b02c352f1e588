//! `rlimit_nproc`: a user has as many tasks as RLIMIT_NPROC allows.

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, must_succeed, probers, skip};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nproc_7",
        reach: Reach::Own,
        run: |place| full(place, 1, "np7", 7),
    },
    Scenario {
        name: "nproc_13",
        reach: Reach::Own,
        run: |place| full(place, 2, "np13", 13),
    },
    Scenario {
        name: "nproc_lowered_below_use",
        reach: Reach::Own,
        run: lowered,
    },
    Scenario {
        name: "nproc_counts_threads",
        reach: Reach::Own,
        run: threads,
    },
    Scenario {
        name: "nproc_root_exempt",
        reach: Reach::Own,
        run: root,
    },
    Scenario {
        name: "nproc_user_namespace",
        reach: Reach::Own,
        run: |place| nested(place, 1),
    },
    Scenario {
        name: "nproc_user_namespaces_30",
        reach: Reach::Own,
        run: |place| nested(place, 30),
    },
];

/// As many tasks of one user as the limit allows, each system call refused.
fn full(place: &Place, n: u32, tag: &str, limit: u64) -> Result<Run> {
    let uid = place.uid(n);
    let mut run = Run::default();
    let mut callers = probers(tag, Kind::ALL, place.count, || {
        sys::limit_nproc(limit, limit)?;
        Ok(sys::become_uid(uid)?)
    })?;
    let others = limit - callers.len() as u64;
    let sleepers = Sleepers::start(others, || Ok(sys::become_uid(uid)?))?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, limit, limit))
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// The limit came down when there were more.
fn lowered(place: &Place) -> Result<Run> {
    let uid = place.uid(3);
    let mut run = Run::default();
    let mut callers = probers("npl", Kind::ALL, place.count, || {
        sys::become_uid(uid)?;
        Ok(sys::limit_nproc(2, 2)?)
    })?;
    let sleepers = Sleepers::start(6, || Ok(sys::become_uid(uid)?))?;
    let usage = callers.len() as u64 + 6;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 2, usage))
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// Threads are tasks like others.
fn threads(place: &Place) -> Result<Run> {
    let uid = place.uid(4);
    let mut run = Run::default();
    let sleepers = Sleepers::threads(8, || Ok(sys::become_uid(uid)?))?;
    let mut callers = probers("npt", Kind::ALL, place.count, || {
        sys::become_uid(uid)?;
        Ok(sys::limit_nproc(10, 10)?)
    })?;
    let usage = callers.len() as u64 + 9;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 10, usage))
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// uid 0 is over a limit of 1 and nobody minds.
fn root(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers("np0", Kind::ALL, place.count, || {
        Ok(sys::limit_nproc(1, 1)?)
    })?;
    for prober in &mut callers {
        must_succeed(&prober.fire()?)?;
        run.quiet.push(prober.actor.pid() as u32);
    }
    run.keep(callers);
    Ok(run)
}

/// A user namespace whose creator had a limit of 5, and others within it, while
/// the caller's own is 40. The creator's counts since 5.14; before, only the own
/// one does.
fn nested(place: &Place, levels: u32) -> Result<Run> {
    let (uid, creators, own) = (place.uid(4 + levels), 5, 40);
    let mut run = Run::default();
    let mut callers = Vec::new();
    for kind in Kind::ALL {
        let comm = format!("npns-{}", kind.label());
        let prober = Prober::start(&comm, *kind, place.count, || {
            sys::limit_nproc(creators, own)?;
            sys::become_uid(uid)?;
            sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            sys::limit_nproc(own, own)?;
            for _ in 1..levels {
                // Who isn't somebody in it can't make another.
                sys::map_own_ids(uid)?;
                sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            }
            Ok(vec![sys::namespace("user")?])
        });
        match prober.context("a user namespace") {
            Ok(prober) => callers.push(prober),
            Err(error) => return skip(format!("{error:#}")),
        }
    }
    let (refuses, scope) = if place.kernel >= (5, 14) {
        (creators, Scope::StartsWith("user namespace "))
    } else {
        (own, Scope::Exact(format!("uid {uid}")))
    };
    let others = refuses - callers.len() as u64;
    let sleepers = Sleepers::start(others, || Ok(sys::become_uid(uid)?))?;
    run.fire(&mut callers, |p, a| {
        let limit = WantedLimit {
            scope: scope.clone(),
            value: Number::Exact(refuses),
            ..WantedLimit::nproc(uid, refuses, refuses)
        };
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(limit)
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}
