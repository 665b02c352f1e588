//! Scenarios: one file a cause. Each sets a limit up, provokes refusals from
//! actors of its own, and answers what the records of them have to say.

mod cgroup_pids_max;
mod combined;
pub(crate) mod errnos;
mod exec_in_progress;
mod holders;
mod hugetlb;
mod lsm;
pub(crate) mod memory;
mod negative;
mod nproc_at_exec;
mod once;
mod oom;
mod overcommit;
mod pid_max;
pub(crate) mod pid_namespace_dead;
mod pids_meanwhile;
mod program32;
mod rlimit_nproc;
mod sched_deadline;
mod sched_ext;
mod seccomp;
mod thread_stack;
mod threads_max;

use std::any::Any;

use anyhow::{Result, bail};
use forktrace::provoke::sys;

use crate::actor::Prober;
use crate::attempt::{Attempt, Kind};
use crate::cgroup::Hierarchies;
use crate::expect::Expect;
use crate::holders::WantedHolders;
use crate::oom::WantedKill;

/// Where a scenario may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Its own cgroups, users and namespaces: on any host.
    Own,
    /// Settings of the whole host: in a test machine only.
    Host,
}

/// What the scenarios know of where they run.
pub(crate) struct Place {
    pub cgroups: Hierarchies,
    /// From here on uids are nobody's.
    pub first_uid: u32,
    /// Attempts that one prober makes.
    pub count: u32,
    /// Kernel version.
    pub kernel: (u32, u32),
    /// The attach style of the session that is tested.
    pub style: String,
    /// It counts holders by the task iterator.
    pub by_iterator: bool,
}

impl Place {
    pub(crate) fn find(count: u32) -> Result<Self> {
        Ok(Self {
            cgroups: Hierarchies::find()?,
            // Far from real users, and another for each run on one host.
            first_uid: 3_000_000 + (std::process::id() % 10_000) * 64,
            count,
            kernel: sys::kernel(),
            style: String::new(),
            by_iterator: false,
        })
    }

    /// Whether the session sees system calls only.
    pub(crate) fn by_tracepoint(&self) -> bool {
        self.style == "tracepoint"
    }

    /// A uid that is nobody's.
    pub(crate) fn uid(&self, n: u32) -> u32 {
        self.first_uid + n
    }
}

/// What a scenario did.
#[derive(Default)]
pub(crate) struct Run {
    /// Refused attempts that are failures.
    pub expects: Vec<Expect>,
    /// Who fills the limit that refuses all of them.
    pub holders: Option<WantedHolders>,
    /// Callers of which there may be no record.
    pub quiet: Vec<u32>,
    /// Callers that were being killed: with `--errno all` records may say so,
    /// and nothing else.
    pub dying: Vec<u32>,
    /// Processes that the OOM killer has killed.
    pub kills: Vec<WantedKill>,
    /// Processes that died of something else.
    pub unkilled: Vec<u32>,
    /// What has to stand until the records are there; dropped in this order.
    pub keep: Vec<Box<dyn Any>>,
}

impl Run {
    /// Takes what was expected for what must not be recorded.
    pub(crate) fn silence(&mut self) {
        self.quiet.extend(self.expects.drain(..).map(|e| e.pid));
        self.quiet.sort_unstable();
        self.quiet.dedup();
    }

    /// Keeps something until the records are there.
    pub(crate) fn keep(&mut self, what: impl Any) {
        self.keep.push(Box::new(what));
    }

    /// Fires every prober and expects what `expect` says of each refusal; a
    /// success is an error.
    pub(crate) fn fire(
        &mut self,
        probers: &mut [Prober],
        expect: impl Fn(&Prober, &Attempt) -> Expect,
    ) -> Result<()> {
        for prober in probers {
            let attempts = prober.fire()?;
            must_fail(&attempts)?;
            self.expects
                .extend(attempts.iter().map(|a| expect(prober, a)));
        }
        Ok(())
    }
}

/// An attempt that was granted shows that the scenario is not set up as it
/// should be.
pub(crate) fn must_fail(attempts: &[Attempt]) -> Result<()> {
    for a in attempts {
        if a.errno == 0 {
            bail!("{} succeeded, should have been refused", a.kind.label());
        }
        if a.errno != libc::EAGAIN && a.errno != libc::ENOMEM {
            bail!("{} answered errno {}", a.kind.label(), a.errno);
        }
    }
    Ok(())
}

/// The other way round.
pub(crate) fn must_succeed(attempts: &[Attempt]) -> Result<()> {
    for a in attempts {
        if a.errno != 0 {
            bail!("{} failed with errno {}", a.kind.label(), a.errno);
        }
    }
    Ok(())
}

/// One prober for each of `kinds`, named after `tag`.
pub(crate) fn probers(
    tag: &str,
    kinds: &[Kind],
    count: u32,
    setup: impl Fn() -> Result<()>,
) -> Result<Vec<Prober>> {
    kinds
        .iter()
        .map(|kind| {
            Prober::start(&format!("{tag}-{}", kind.label()), *kind, count, || {
                setup()?;
                Ok(Vec::new())
            })
        })
        .collect()
}

/// A scenario that does not apply here.
#[derive(Debug)]
pub(crate) struct Skip(pub String);

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Ends a scenario that does not apply here.
pub(crate) fn skip<T>(why: impl Into<String>) -> Result<T> {
    Err(Skip(why.into()).into())
}

/// A scenario.
pub(crate) struct Scenario {
    pub name: &'static str,
    pub reach: Reach,
    pub run: fn(&Place) -> Result<Run>,
}

impl Scenario {
    fn copy(&self) -> Self {
        Self {
            name: self.name,
            reach: self.reach,
            run: self.run,
        }
    }
}

/// Those of a session with `--seccomp` and `--thread-stacks`.
pub(crate) fn with_options() -> Vec<Scenario> {
    copies(&[seccomp::WITH_OPTION, thread_stack::SCENARIOS])
}

/// Names of all, whatever option they need.
#[cfg(test)]
pub(crate) fn names() -> Vec<&'static str> {
    let all = [all(), with_options(), errnos::all()];
    all.iter().flatten().map(|scenario| scenario.name).collect()
}

/// All that need no option, in the order in which they run.
pub(crate) fn all() -> Vec<Scenario> {
    copies(&[
        // First: a limit whose holders were counted is not counted again for five seconds.
        holders::SCENARIOS,
        rlimit_nproc::SCENARIOS,
        // Before the storms: once the kernel has skipped the programs at an
        // entry, a call that was answered without one can't be told apart from it.
        seccomp::WITHOUT_OPTION,
        cgroup_pids_max::SCENARIOS,
        pids_meanwhile::SCENARIOS,
        pid_namespace_dead::SCENARIOS,
        pid_max::SCENARIOS,
        threads_max::SCENARIOS,
        overcommit::SCENARIOS,
        hugetlb::SCENARIOS,
        sched_ext::SCENARIOS,
        sched_deadline::SCENARIOS,
        exec_in_progress::SCENARIOS,
        lsm::SCENARIOS,
        memory::SCENARIOS,
        oom::SCENARIOS,
        combined::SCENARIOS,
        negative::SCENARIOS,
        once::SCENARIOS,
        nproc_at_exec::SCENARIOS,
        program32::SCENARIOS,
        thread_stack::UNTOLD,
        // Last: what kprobes have been skipped for casts doubt on what follows.
        once::BESIDE_MAPS,
    ])
}

fn copies(parts: &[&[Scenario]]) -> Vec<Scenario> {
    parts
        .iter()
        .copied()
        .flatten()
        .map(Scenario::copy)
        .collect()
}
