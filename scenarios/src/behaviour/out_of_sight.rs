//! forktrace in a container's cgroup namespace: what it says of limits above it, and within.

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;
use forktrace::record::{Failure, Record};

use super::{Behaviour, await_failures, in_own_mounts, provoke, record};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::cgroup::Cgroup;
use crate::runner::Tests;

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "limits_out_of_sight",
    run: |tests| {
        // Goes when nobody lives there any more.
        let tree = tests.place.cgroups.tree("sight")?;
        let slice = tree.at(&["forktrace.slice"])?;
        let unit = tree.at(&["forktrace.slice", "forktrace-sight.service"])?;
        in_own_mounts(|| out_of_sight(tests, &slice, &unit))
    },
}];

/// The namespace begins at the unit; the slice above is limited, then the unit itself.
fn out_of_sight(tests: &Tests, slice: &Cgroup, unit: &Cgroup) -> Result<()> {
    let (mut host, _) = Actor::start("host-side", |link| {
        sys::own_mounts()?;
        link.step();
        slice.limit(1)?;
        link.step();
        slice.unlimit()?;
        unit.limit(1)?;
        link.step();
        Ok(())
    })?;
    let mut above = refused_in(unit)?;
    let mut within = refused_in(unit)?;
    unit.enter()?;
    sys::unshare(libc::CLONE_NEWCGROUP, "CLONE_NEWCGROUP")?;
    let point = &tests.place.cgroups.pids;
    let (kind, data) = match tests.place.cgroups.pids_is_v2 {
        true => ("cgroup2", ""),
        false => ("cgroup", "pids"),
    };
    // The kernel refuses the same file system on top of itself.
    sys::unmount(point)?;
    sys::mount("none", point, kind, data)?;
    ensure!(!slice.dir.exists(), "the slice is seen");
    let mut tracer = record(tests, &[])?;
    for (prober, wanted, scope) in [
        (
            &mut above,
            "hasn't got this cgroup".to_owned(),
            slice.shown(),
        ),
        (
            &mut within,
            format!("here the cgroup is {}", point.display()),
            unit.shown(),
        ),
    ] {
        host.go()?;
        provoke(prober)?;
        let pid = prober.actor.pid();
        await_failures(&mut tracer, pid, 1)?;
        let mut all = tracer.lines.iter().filter_map(|line| match &line.record {
            Record::Failure(failure) if failure.caller.pid == pid as u32 => Some(failure),
            _ => None,
        });
        let failure: &Failure = all.next().context("no failure")?;
        let limit = failure.limit.as_ref().context("no limit")?;
        ensure!(limit.owner.to_string() == scope, "{limit:?}");
        let lasting = failure.fix[0].persistent.as_deref().unwrap_or_default();
        ensure!(lasting.starts_with("on the host: systemctl "), "{lasting}");
        let notes: Vec<&str> = failure
            .fix
            .iter()
            .filter_map(|f| f.note.as_deref())
            .collect();
        ensure!(notes.iter().any(|note| note.contains(&wanted)), "{notes:?}");
    }
    tracer.end()?;
    Ok(())
}

fn refused_in(home: &Cgroup) -> Result<Prober> {
    Prober::start("out-of-sight", Kind::PLAIN, 1, || {
        home.enter()?;
        Ok(Vec::new())
    })
}
