//! A few scenarios that together provoke every cause: what the short test run plays on each kernel
//! in each style.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use forktrace::cause::Cause;

use crate::report::cause_id;
use crate::runner::{Kind, Tests, Where};
use crate::scenario::Run;

/// Who provokes which cause.
const BY: [(Cause, &str); 32] = [
    (Cause::RlimitNproc, "nproc_7"),
    (Cause::ThreadsMax, "threads_max_user"),
    (Cause::SchedDeadline, "sched_deadline"),
    (Cause::ExecInProgress, "exec_in_progress"),
    (Cause::PidMax, "pid_max_340"),
    (Cause::CgroupPidsMax, "pids_own_7"),
    (Cause::Lsm, "lsm_eagain"),
    (Cause::Seccomp, "seccomp_eagain"),
    (Cause::SchedExt, "sched_ext_eagain"),
    (Cause::PidNamespaceDead, "pidns_dead"),
    (Cause::Overcommit, "overcommit_kbytes"),
    (Cause::Hugetlb, "hugetlb_pinned"),
    (Cause::CgroupMemoryMax, "memory_own_9m"),
    (Cause::CgroupKernelMemoryMax, "kernel_memory_v1"),
    (Cause::RlimitAs, "stack_as"),
    (Cause::RlimitData, "stack_data"),
    (Cause::RlimitMemlock, "stack_memlock"),
    (Cause::MaxMapCount, "stack_maps_mmap"),
    (Cause::MaxNamespaces, "max_user_namespaces"),
    (Cause::UserNamespaceLevel, "userns_depth"),
    (Cause::PidNamespaceLevel, "pidns_depth"),
    (Cause::CapSysAdmin, "cap_sys_admin"),
    (Cause::UnprivilegedUserns, "userns_clone_off"),
    (Cause::Chroot, "userns_in_chroot"),
    (Cause::CapCheckpointRestore, "set_tid"),
    (Cause::SetTidInUse, "set_tid"),
    (Cause::SetTidInvalid, "set_tid"),
    (Cause::CloneFlags, "clone_flags"),
    (Cause::RlimitNofile, "pidfd_nofile"),
    (Cause::FileMax, "pidfd_file_max"),
    (Cause::NrOpen, "nr_open"),
    (Cause::CloneIntoCgroup, "into_no_cgroup"),
];

/// Named by a verdict, and not on purpose by this selection.
const WITHOUT: [(Cause, &str); 2] = [
    (
        Cause::FatalSignal,
        "a race between a fork and SIGKILL, repeated until it is met",
    ),
    (
        Cause::Unknown,
        "what has another cause where it can be seen",
    ),
];

/// What else a cause's verdict rests on: whose limit it is among several, who fills it, which of two
/// checks is the first, that each refusal is counted once, and that success and exemption are
/// silent.
const MORE: [&str; 13] = [
    "holders_of_a_cgroup",
    "nproc_root_exempt",
    "nproc_user_namespace",
    "nproc_exec",
    "pids_great_grandparent",
    "pids_clone_into_cgroup",
    "pids_odd_names",
    "pids_moved_and_removed",
    "both_nproc_and_pids",
    "then_pids_nproc_pids",
    "once_40_of_one_thread",
    "oom_own_16m",
    "quiet_success",
];

/// Whether a scenario is one of them.
pub(crate) fn has(name: &str) -> bool {
    MORE.contains(&name) || BY.iter().any(|(_, by)| *by == name)
}

/// What the sessions of a style have provoked.
#[derive(Default)]
pub(crate) struct Provoked {
    /// By scenario.
    causes: BTreeMap<&'static str, BTreeSet<Cause>>,
    /// Scenarios that can't be had on this kernel.
    pub skipped: BTreeSet<&'static str>,
}

impl Provoked {
    pub(crate) fn add(&mut self, scenario: &'static str, run: &Run) {
        let causes = self.causes.entry(scenario).or_default();
        causes.extend(run.expects.iter().map(|e| e.cause));
    }
}

/// That a brief run has provoked every cause that a verdict can name; of a whole one, that a brief
/// one would have provoked every cause that this one has.
pub(crate) fn check(tests: &mut Tests, style: &str) {
    let whole = tests.choice.only.is_empty() && tests.choice.has_kind(Kind::Sessions);
    if !whole || tests.at == Where::Host || style == "auto" {
        return;
    }
    let (name, outcome) = if tests.choice.brief {
        ("every_cause", every_cause(&tests.provoked))
    } else {
        ("brief_has_every_cause", misses_none(&tests.provoked))
    };
    tests.report.case(&format!("{style}/{name}"), outcome);
}

fn every_cause(provoked: &Provoked) -> Result<()> {
    let met = |(cause, by): &(Cause, &str)| {
        let causes = provoked.causes.get(by);
        provoked.skipped.contains(by) || causes.is_some_and(|causes| causes.contains(cause))
    };
    let missed = BY.iter().filter(|entry| !met(entry));
    let missed: Vec<String> = missed
        .map(|(cause, by)| format!("{} by {by}", cause_id(*cause)))
        .collect();
    ensure!(missed.is_empty(), "not provoked: {}", missed.join(", "));
    Ok(())
}

fn misses_none(provoked: &Provoked) -> Result<()> {
    let of_brief = |cause: &Cause| {
        let mut brief = provoked.causes.iter().filter(|(name, _)| has(name));
        brief.any(|(_, causes)| causes.contains(cause))
    };
    let without = |cause: &Cause| WITHOUT.iter().any(|(known, _)| known == cause);
    let all: BTreeSet<Cause> = provoked.causes.values().flatten().copied().collect();
    let missed = all.into_iter().filter(|c| !of_brief(c) && !without(c));
    let missed: Vec<String> = missed.map(cause_id).collect();
    ensure!(missed.is_empty(), "it lacks {}", missed.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use forktrace::cause::Cause;

    use super::{BY, MORE, WITHOUT};
    use crate::scenario;

    #[test]
    fn every_cause_that_a_verdict_names_is_provoked_or_has_a_reason() {
        for cause in Cause::judged() {
            let provoked = BY.iter().any(|(by, _)| *by == cause);
            let without = WITHOUT.iter().any(|(known, _)| *known == cause);
            assert!(provoked != without, "{cause:?}");
        }
    }

    #[test]
    fn every_name_is_a_scenario() {
        let all = scenario::names();
        for name in BY.iter().map(|(_, by)| by).chain(&MORE) {
            assert!(all.contains(name), "{name}");
        }
    }
}
