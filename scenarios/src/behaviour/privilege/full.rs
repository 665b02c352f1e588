//! A refusal about which nothing is public.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use anyhow::{Context, Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::{Failure, HolderKind, Owner, Record};

use crate::actor::Prober;
use crate::attempt::Kind;
use crate::behaviour::{await_failures, own_program, provoke};
use crate::cgroup::Tree;
use crate::runner::Tests;
use crate::sleepers::Sleepers;
use crate::tracer::Tracer;

/// A cgroup that is full of another user's tasks, in a folder that is closed to others.
pub(super) struct Full {
    pub caller: Prober,
    _sleepers: Sleepers,
    tree: Tree,
}

const SLEEPERS: u64 = 4;

impl Full {
    pub(super) fn new(tests: &Tests) -> Result<Self> {
        let tree = tests.place.cgroups.tree("privilege")?;
        let home = tree.at(&["closed"])?;
        let (one, other) = (tests.place.uid(170), tests.place.uid(171));
        let _sleepers = Sleepers::start(SLEEPERS, || {
            home.enter()?;
            Ok(sys::become_uid(one)?)
        })?;
        let caller = Prober::start("confined", Kind::PLAIN, 1, || {
            home.enter()?;
            sys::become_uid(other)?;
            Ok(Vec::new())
        })?;
        tree.top().limit(SLEEPERS + 1)?;
        chown(&home.dir, Some(one), Some(one))?;
        fs::set_permissions(&home.dir, fs::Permissions::from_mode(0o700))?;
        Ok(Self {
            caller,
            _sleepers,
            tree,
        })
    }

    /// Is refused, and answers what was recorded of it.
    pub(super) fn refused(&mut self, tracer: &mut Tracer) -> Result<Failure> {
        provoke(&mut self.caller)?;
        let pid = self.caller.actor.pid();
        await_failures(tracer, pid, 1)?;
        let mut failures = tracer.lines.iter().filter_map(|l| match &l.record {
            Record::Failure(f) if f.caller.pid == pid as u32 => Some((**f).clone()),
            _ => None,
        });
        failures.next_back().context("no failure")
    }

    pub(super) fn check_cause(&self, failure: &Failure) -> Result<()> {
        ensure!(
            failure.cause == Cause::CgroupPidsMax,
            "cause is {:?}",
            failure.cause
        );
        let limit = failure.limit.as_ref().context("no limit")?;
        let full = Some(SLEEPERS + 1);
        ensure!(
            limit.owner == Owner::cgroup(self.tree.top().shown())
                && limit.value == full
                && limit.usage == full,
            "limit is {limit:?}"
        );
        Ok(())
    }

    /// What takes privilege to read: the executable, and who is in the closed folder.
    pub(super) fn check_names(&self, failure: &Failure) -> Result<()> {
        let exe = failure.caller.exe.as_deref();
        ensure!(exe == Some(&own_program()[..]), "exe is {exe:?}");
        let home = self.tree.at(&["closed"])?.shown();
        ensure!(
            failure.cgroup.path.as_deref() == Some(&home),
            "cgroup is {:?}",
            failure.cgroup
        );
        let tasks = |name: &str| {
            let mut rows = failure.holders.iter();
            let row = rows.find(|h| h.kind == HolderKind::Program && h.name == name);
            row.map(|row| row.tasks)
        };
        ensure!(
            tasks("sleeper") == Some(SLEEPERS) && tasks("confined") == Some(1),
            "holders are {:?}",
            failure.holders
        );
        Ok(())
    }
}
