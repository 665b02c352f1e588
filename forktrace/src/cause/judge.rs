//! The verdict.

use crate::{
    cause::{CATALOGUE, Cause, Entry, Finding, STACK_CATALOGUE, candidates},
    evidence::{Evidence, Stage},
    record::{Candidate, Certainty, Limit},
};

/// What forktrace has to say about a failing return.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub cause: Cause,
    pub certainty: Certainty,
    /// The refusing limit, with the numbers that were compared.
    pub limit: Option<Limit>,
    /// The other limits at the same instant, fullest first.
    pub candidates: Vec<Candidate>,
}

/// Names the cause.
///
/// Where the stages were seen, each cause knows whether it is the one. Else
/// the snapshot decides, in the order of the kernel's checks: the first
/// exhausted limit wins, because an earlier check that had no room would not
/// have let the creation pass. A wrong answer is worse than `unknown`.
pub fn judge(evidence: &Evidence) -> Verdict {
    let catalogue = match evidence.thread_stack {
        Some(_) => STACK_CATALOGUE,
        None => CATALOGUE,
    };
    let (cause, finding) = match evidence.stage {
        Stage::Unseen => by_snapshot(catalogue, evidence),
        _ => by_stage(catalogue, evidence),
    };
    let mut candidates = candidates::all(evidence);
    if let Some(limit) = &finding.limit {
        candidates.retain(|c| !(c.name == limit.name && c.scope == limit.scope));
    }
    Verdict {
        cause,
        certainty: finding.certainty,
        limit: finding.limit,
        candidates,
    }
}

const UNKNOWN: (Cause, Finding) = (
    Cause::Unknown,
    Finding {
        certainty: Certainty::Unknown,
        limit: None,
    },
);

fn by_stage(catalogue: &[Entry], evidence: &Evidence) -> (Cause, Finding) {
    catalogue
        .iter()
        .find_map(|entry| (entry.seen)(evidence).map(|f| (entry.cause, f)))
        .unwrap_or(UNKNOWN)
}

fn by_snapshot(catalogue: &[Entry], evidence: &Evidence) -> (Cause, Finding) {
    let mut found = catalogue
        .iter()
        .filter_map(|entry| (entry.exhausted)(evidence).map(|f| (entry.cause, f)));
    let Some(first) = found.next() else {
        return UNKNOWN;
    };
    // The pids controller counts its refusals, so it contradicts: had an
    // earlier check refused, its count would stand still. Both at once (other
    // tasks fork here too) can't be told apart.
    let pids_refused = evidence.pids_delta.is_some_and(|d| d > 0);
    if pids_refused
        && first.0 != Cause::CgroupPidsMax
        && found.any(|(c, _)| c == Cause::CgroupPidsMax)
    {
        return UNKNOWN;
    }
    first
}

#[cfg(test)]
mod late_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::{
            CgroupLimit, NprocLevel, Overcommit, OvercommitMode, PidNs, ThreadStack, Threads,
            thread_stack::Call,
        },
        record::{Errno, Operation},
    };

    /// Nothing is full: an uid with 5 of 100 tasks, a cgroup with 5 of 50, …
    pub(super) fn roomy(errno: Errno, stage: Stage) -> Evidence {
        Evidence {
            errno,
            operation: Operation::Process,
            stage,
            clone_flags: 0,
            dying: false,
            cousins: None,
            uid: 1000,
            shares_vm: false,
            into_cgroup: false,
            nproc_exempt: false,
            deadline: false,
            in_exec: false,
            nproc_watched: false,
            nproc: vec![NprocLevel {
                usage: 5,
                limit: Some(100),
                uid: 1000,
                userns: Some(1),
                limit_userns: None,
            }],
            nproc_refused: 0,
            threads: Some(Threads { now: 80, max: 4000 }),
            pid_ns: vec![PidNs {
                inum: 4,
                level: 0,
                dead: false,
                allocated: 80,
                pid_max: Some(32768),
            }],
            pids: vec![cgroup("/a/b", 5, None), cgroup("/a", 5, Some(50))],
            pids_refused: None,
            pids_delta: None,
            memory: Vec::new(),
            memory_refused: None,
            memory_delta: None,
            kernel_memory_near: None,
            half_made: 1 << 18,
            overcommit: Some(Overcommit {
                mode: OvercommitMode::Heuristic,
                committed: 1 << 30,
                commit_limit: 4 << 30,
                admin_reserve: 8 << 20,
                user_reserve: 4 << 20,
                ram_and_swap: 8 << 30,
                total_vm: 1 << 28,
                private_writable: 1 << 27,
                largest_mapping: None,
            }),
            huge_pages: None,
            sched_ext: None,
            thread_stack: None,
        }
    }

    pub(super) fn cgroup(path: &str, usage: u64, limit: Option<u64>) -> CgroupLimit {
        CgroupLimit {
            path: Some(path.to_owned()),
            id: 1,
            file: None,
            usage,
            limit,
            oom_kill_disable: false,
        }
    }

    pub(super) fn verdict(e: &Evidence) -> (Cause, Certainty, Option<String>) {
        let v = judge(e);
        (v.cause, v.certainty, v.limit.map(|l| l.scope))
    }

    #[test]
    fn nothing_full_is_unknown_with_every_candidate() {
        for stage in [Stage::Unseen, Stage::Early, Stage::SighandToNamespaces] {
            let v = judge(&roomy(Errno::EAGAIN, stage));
            assert_eq!(v.cause, Cause::Unknown, "{stage:?}");
            assert_eq!(v.certainty, Certainty::Unknown);
            let names: Vec<&str> = v.candidates.iter().map(|c| c.name.as_str()).collect();
            // Fullest first.
            assert_eq!(
                names,
                [
                    "pids.max",
                    "RLIMIT_NPROC",
                    "kernel.threads-max",
                    "kernel.pid_max"
                ]
            );
        }
    }

    #[test]
    fn the_first_check_in_the_kernels_order_wins() {
        for (stage, certainty) in [
            (Stage::Early, Certainty::Observed),
            (Stage::Unseen, Certainty::Inferred),
        ] {
            let mut e = roomy(Errno::EAGAIN, stage);
            e.nproc[0].usage = 100;
            e.threads = Some(Threads { now: 40, max: 40 });
            e.pids[1].usage = 50;
            e.pids_delta = (stage == Stage::Unseen).then_some(0);
            assert_eq!(
                verdict(&e),
                (Cause::RlimitNproc, certainty, Some("uid 1000".to_owned()))
            );
            e.nproc_exempt = true;
            assert_eq!(
                verdict(&e),
                (Cause::ThreadsMax, certainty, Some("host".to_owned()))
            );
        }
    }

    #[test]
    fn a_probe_that_was_silent_rules_its_check_out() {
        let mut e = roomy(Errno::EAGAIN, Stage::Early);
        e.nproc_watched = true;
        e.nproc[0].usage = 100;
        e.threads = Some(Threads { now: 40, max: 40 });
        assert_eq!(verdict(&e).0, Cause::ThreadsMax);
    }

    #[test]
    fn the_pids_controller_counts_its_refusals() {
        let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
        e.pids[1].usage = 50;
        e.pids_delta = Some(1);
        assert_eq!(
            verdict(&e),
            (
                Cause::CgroupPidsMax,
                Certainty::Inferred,
                Some("/a".to_owned())
            )
        );
        // It refused nobody, full or not.
        e.pids_delta = Some(0);
        assert_eq!(verdict(&e).0, Cause::Unknown);
        // It refused somebody, and an earlier check is full too.
        e.pids_delta = Some(1);
        e.nproc[0].usage = 100;
        assert_eq!(verdict(&e).0, Cause::Unknown);
    }

    #[test]
    fn the_refusing_cgroup_is_told_as_it_was_at_the_refusal() {
        let mut e = roomy(Errno::EAGAIN, Stage::Cgroups);
        e.pids[1].usage = 50;
        assert_eq!(
            verdict(&e),
            (
                Cause::CgroupPidsMax,
                Certainty::Observed,
                Some("/a".to_owned())
            )
        );
        // The limit was raised right afterwards.
        e.pids[1].limit = Some(60);
        assert_eq!(verdict(&e).1, Certainty::Inferred);
        e.stage = Stage::Pids;
        e.pids_refused = Some(cgroup("/a", 50, Some(50)));
        let v = judge(&e);
        assert_eq!(v.certainty, Certainty::Observed);
        assert_eq!(
            v.limit.map(|l| (l.value, l.usage)),
            Some((Some(50), Some(50)))
        );
    }

    #[test]
    fn enomem_is_told_apart_by_stage() {
        let mut e = roomy(Errno::ENOMEM, Stage::IoToPid);
        assert_eq!(verdict(&e).0, Cause::Unknown);
        e.pid_ns[0].dead = true;
        e.pid_ns[0].level = 1;
        assert_eq!(
            verdict(&e),
            (
                Cause::PidNamespaceDead,
                Certainty::Observed,
                Some("pid namespace 4".to_owned())
            )
        );
        let mut e = roomy(Errno::ENOMEM, Stage::SighandToNamespaces);
        assert_eq!(verdict(&e).0, Cause::Unknown);
        if let Some(o) = &mut e.overcommit {
            o.mode = OvercommitMode::Never;
            o.committed = (4 << 30) - (1 << 26);
        }
        assert_eq!(verdict(&e).0, Cause::Overcommit);
        // A thread copies no address space.
        e.shares_vm = true;
        assert_eq!(verdict(&e).0, Cause::Unknown);
        e.shares_vm = false;
        // The memory cgroup's own word comes first.
        e.memory_refused = Some(cgroup("/m", 1 << 20, Some(1 << 20)));
        assert_eq!(
            verdict(&e),
            (
                Cause::CgroupMemoryMax,
                Certainty::Observed,
                Some("/m".to_owned())
            )
        );
    }

    #[test]
    fn no_cause_claims_what_it_cannot_answer() {
        // Whatever is full, ENOMEM is never an EAGAIN limit and vice versa.
        let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
        e.nproc[0].usage = 100;
        e.threads = Some(Threads { now: 40, max: 40 });
        e.pids[1].usage = 50;
        e.pid_ns[0].allocated = 40000;
        assert_eq!(verdict(&e).0, Cause::Unknown);
        let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
        e.pid_ns[0].dead = true;
        assert_eq!(verdict(&e).0, Cause::Unknown);
    }

    fn stack(stage: Stage, call: Call) -> Evidence {
        let mut e = roomy(Errno::ENOMEM, stage);
        e.operation = Operation::ThreadStack;
        e.thread_stack = Some(ThreadStack {
            call,
            requested: 8 << 20,
            writable: call == Call::Mprotect,
            no_reserve: false,
            locked: false,
            may_lock: false,
            total: 100 << 20,
            data: 20 << 20,
            locked_memory: 0,
            rlimit_as: Some(120 << 20),
            rlimit_data: Some(25 << 20),
            rlimit_data_max: None,
            data_ignored: false,
            rlimit_memlock: Some(8 << 20),
            maps: 90,
            max_maps: Some(65530),
        });
        e
    }

    #[test]
    fn a_thread_stack_meets_its_own_limits_only() {
        // Limits on tasks that are full refuse no stack.
        let mut e = stack(Stage::Unseen, Call::Mmap);
        e.errno = Errno::EAGAIN;
        e.threads = Some(Threads { now: 50, max: 50 });
        e.nproc[0].limit = Some(1);
        e.pid_ns[0].dead = true;
        assert_eq!(verdict(&e).0, Cause::Unknown);
        let names: Vec<_> = judge(&e).candidates.into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["RLIMIT_AS", "RLIMIT_DATA", "vm.max_map_count"]);
        // And limits on stacks refuse no task.
        let mut e = stack(Stage::Early, Call::Mprotect);
        e.thread_stack = None;
        assert_eq!(verdict(&e).0, Cause::Unknown);
    }

    #[test]
    fn a_thread_stack_by_stage_and_by_numbers() {
        for (stage, certainty) in [
            (Stage::ThreadStack, Certainty::Observed),
            (Stage::Unseen, Certainty::Inferred),
        ] {
            let e = stack(stage, Call::Mprotect);
            let v = judge(&e);
            assert_eq!((v.cause, v.certainty), (Cause::RlimitData, certainty));
            let limit = v.limit.unwrap();
            assert_eq!(limit.value, Some(25 << 20));
            assert_eq!(limit.usage, Some(20 << 20));
            assert_eq!(limit.requested, Some(8 << 20));
            assert_eq!(limit.scope, "process");
            assert!(v.candidates.iter().all(|c| c.name != "RLIMIT_DATA"));
        }
    }
}
