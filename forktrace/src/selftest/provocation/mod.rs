//! Provocations: one file a cause. Each sets a limit up in a world of its own,
//! lets a child be refused, and answers what the record of it has to say. A
//! new one is one file and one line in [`all`].

mod cap_sys_admin;
mod cgroup_memory_max;
mod cgroup_pids_max;
mod chroot;
mod clone_flags;
mod clone_into_cgroup;
mod exec_in_progress;
mod hugetlb;
mod max_namespaces;
mod namespace_level;
mod nr_open;
mod overcommit;
mod pid_max;
mod pid_namespace_dead;
mod rlimit_nofile;
mod rlimit_nproc;
mod sched_deadline;
mod seccomp;
mod set_tid;
mod thread_stack;
mod threads_max;
mod unprivileged_userns;

use std::{any::Any, time::Duration};

use super::{expect::Expected, world::World};
use crate::{
    model::{Cause, Errno},
    provoke::Trouble,
};

/// How long a setting of the whole host may stay changed for one step. It takes
/// milliseconds, unless something is wrong.
pub(super) const SHORT: Duration = Duration::from_secs(2);

/// What a provocation touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Its own processes, cgroups, users and namespaces.
    Own,
    /// A setting of the whole host, for a moment: with `--disruptive` only.
    Host,
}

/// One way to a cause.
#[derive(Clone, Copy)]
pub(super) struct Provocation {
    pub cause: Cause,
    /// Which way, where there are several; empty for the plain one.
    pub variant: &'static str,
    pub reach: Reach,
    pub run: fn(&World) -> Result<Provoked, Trouble>,
}

impl Provocation {
    /// The plain way, without touching the host.
    const fn own(cause: Cause, run: fn(&World) -> Result<Provoked, Trouble>) -> Self {
        Self {
            cause,
            variant: "",
            reach: Reach::Own,
            run,
        }
    }

    /// The plain way, with a setting of the whole host.
    const fn host(cause: Cause, run: fn(&World) -> Result<Provoked, Trouble>) -> Self {
        Self {
            reach: Reach::Host,
            ..Self::own(cause, run)
        }
    }

    /// One of several ways.
    const fn variant(self, variant: &'static str) -> Self {
        Self { variant, ..self }
    }
}

/// What was provoked.
pub(super) struct Provoked {
    pub expected: Expected,
    /// What has to stand until the records are there; dropped in this order,
    /// so settings come before what needs them back to end.
    pub keep: Vec<Box<dyn Any>>,
}

impl Provoked {
    /// With nothing to keep yet.
    pub(super) fn new(expected: Expected) -> Self {
        Self {
            expected,
            keep: Vec::new(),
        }
    }

    /// Keeps something until the records are there.
    pub(super) fn keep(mut self, what: impl Any) -> Self {
        self.keep.push(Box::new(what));
        self
    }
}

/// All of them, in the order of the kernel's checks; those of threads' stacks,
/// where no creation is tried, at the end.
pub(super) fn all() -> Vec<Provocation> {
    [
        seccomp::ALL,
        clone_flags::ALL,
        unprivileged_userns::ALL,
        namespace_level::USER,
        chroot::ALL,
        rlimit_nproc::ALL,
        threads_max::ALL,
        sched_deadline::ALL,
        nr_open::ALL,
        exec_in_progress::ALL,
        cgroup_memory_max::ALL,
        overcommit::ALL,
        hugetlb::ALL,
        cap_sys_admin::ALL,
        namespace_level::PID,
        max_namespaces::ALL,
        set_tid::ALL,
        pid_max::ALL,
        pid_namespace_dead::ALL,
        rlimit_nofile::ALL,
        clone_into_cgroup::ALL,
        cgroup_pids_max::ALL,
        thread_stack::ALL,
    ]
    .concat()
}

/// Causes that nothing here provokes, and why.
pub(super) const WITHOUT: &[(Cause, &str)] = &[
    (
        Cause::FatalSignal,
        "it takes a race with a kill, and nobody is refused",
    ),
    (Cause::Lsm, "it takes a security module of one's own"),
    (
        Cause::SchedExt,
        "it takes a scheduler of one's own, for the whole host",
    ),
    (
        Cause::FileMax,
        "it takes a limit below the host's open files, where every open fails",
    ),
    (
        Cause::CgroupKernelMemoryMax,
        "it takes a limit that only cgroup v1 before Linux 5.16 has",
    ),
];

/// Trouble unless an attempt was refused with this errno.
fn refused(errno: u64, wanted: Errno) -> Result<(), Trouble> {
    match errno {
        n if n == wanted.number() as u64 => Ok(()),
        0 => Err(Trouble::Odd(
            "the kernel granted what it should have refused".to_owned(),
        )),
        n => Err(Trouble::Odd(format!(
            "the kernel answered errno {n} in place of {}",
            wanted.name()
        ))),
    }
}

/// An answer of clone3(2); trouble where this kernel doesn't take `what`, which
/// came with Linux `since`. E2BIG: of a struct that is longer than it knows.
fn clone3_takes(answer: u64, what: &str, since: &str) -> Result<u64, Trouble> {
    if [libc::ENOSYS as u64, libc::E2BIG as u64].contains(&answer) {
        return Err(Trouble::Skip(format!(
            "clone3(2) takes no {what} here (Linux before {since}, or a filter)"
        )));
    }
    Ok(answer)
}

/// The number at `at` of an actor's report.
fn number(report: &[u64], at: usize) -> Result<u64, Trouble> {
    report.get(at).copied().ok_or_else(|| {
        Trouble::Odd("a process of the selftest's own reported too little".to_owned())
    })
}

/// The same of a namespace's inode number.
fn inode(report: &[u64], at: usize) -> Result<u32, Trouble> {
    let number = number(report, at)?;
    u32::try_from(number).map_err(|_| Trouble::Odd(format!("{number} is no namespace's number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_apart() {
        let mut names: Vec<_> = all().iter().map(|p| (p.cause, p.variant)).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_cause_is_provoked_or_has_a_reason_why_not() {
        for cause in Cause::judged().filter(|cause| !cause.is_unknown()) {
            let provoked = all().iter().any(|p| p.cause == cause);
            let reasons = WITHOUT.iter().filter(|(c, _)| *c == cause).count();
            assert_eq!(reasons, usize::from(!provoked), "{cause:?}");
        }
        for cause in all().iter().map(|p| p.cause) {
            assert!(Cause::judged().any(|c| c == cause), "{cause:?}");
        }
        for (cause, why) in WITHOUT {
            assert!(Cause::judged().any(|c| c == *cause), "{cause:?}");
            assert!(why.starts_with("it takes "), "{why}");
        }
    }

    #[test]
    fn an_attempt_that_was_granted_is_trouble() {
        assert!(refused(libc::EAGAIN as u64, Errno::EAGAIN).is_ok());
        assert!(refused(libc::ENOMEM as u64, Errno::ENOMEM).is_ok());
        for errno in [0, libc::ENOMEM as u64, libc::EPERM as u64] {
            assert!(refused(errno, Errno::EAGAIN).is_err());
        }
    }
}
