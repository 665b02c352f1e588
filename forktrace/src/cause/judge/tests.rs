use super::*;
use crate::{
    arch::Page,
    evidence::{
        CgroupLimit, NprocLevel, Overcommit, OvercommitMode, PidNs, Refused, Sign, Signs,
        ThreadStack, Threads, thread_stack::Call,
    },
    model::{Errno, LimitKind, Operation, Owner},
};

/// Nothing is full: an uid with 5 of 100 tasks, a cgroup with 5 of 50, …
pub(super) fn roomy(errno: Errno, stage: Stage) -> Evidence {
    Evidence {
        errno,
        operation: Operation::Process,
        stage,
        clone_flags: 0,
        dying: false,
        other_errnos: None,
        uid: 1000,
        shares_vm: false,
        into_cgroup: false,
        nproc_exempt: false,
        nproc_exempt_by_admin: false,
        deadline: false,
        in_exec: false,
        signs: Signs {
            memory_watched: true,
            ..Signs::default()
        },
        nproc_full: None,
        nproc: vec![NprocLevel {
            usage: 5,
            limit: Some(100),
            uid: 1000,
            userns: Some(1),
            limit_userns: None,
        }],
        threads: Some(Threads { now: 80, max: 4000 }),
        limits_changed: false,
        pids_limits_changed: false,
        pids_unlimited_refused: false,
        pid_ns: vec![PidNs {
            inum: 4,
            level: 0,
            dead: false,
            allocated: 80,
            first: 0,
            pid_max: Some(32768),
            full: false,
        }],
        pids: vec![cgroup("/a/b", 5, None), cgroup("/a", 5, Some(50))],
        pids_full: None,
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
            huge: 0,
            largest_mapping: None,
            refused: None,
            accounted: None,
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
        events: None,
    }
}

pub(super) fn verdict(e: &Evidence) -> (Cause, Certainty, Option<String>) {
    let v = judge(e);
    (v.cause, v.certainty, v.limit.map(|l| l.owner.to_string()))
}

#[test]
fn nothing_full_is_unknown_with_every_candidate() {
    for stage in [Stage::Unseen, Stage::Early, Stage::SighandToNamespaces] {
        let v = judge(&roomy(Errno::EAGAIN, stage));
        assert_eq!(v.cause, Cause::Unknown, "{stage:?}");
        assert_eq!(v.certainty, Certainty::Unknown);
        let names: Vec<&str> = v.candidates.iter().map(|c| c.kind.name()).collect();
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

/// RLIMIT_NPROC and kernel.threads-max full, both.
fn both_full(stage: Stage) -> Evidence {
    let mut e = roomy(Errno::EAGAIN, stage);
    e.nproc[0].usage = 100;
    e.nproc_full = Some(e.nproc[0].clone());
    e.threads = Some(Threads { now: 40, max: 40 });
    e
}

#[test]
fn limits_that_change_meanwhile_prove_nothing() {
    let mut e = both_full(Stage::Unseen);
    e.limits_changed = true;
    assert_eq!(verdict(&e).0, Cause::Unknown);
    e.nproc_exempt = true;
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // What was seen doesn't rest on them.
    e.stage = Stage::Early;
    e.signs = silent();
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
}

/// Every sign is watched, and none was seen.
fn silent() -> Signs {
    Signs {
        nproc_asked: Sign::NotSeen,
        capability_denied: false,
        child: Sign::Seen,
        sched_reached: Sign::NotSeen,
        security_passed: Sign::NotSeen,
        overcommit_refused: Sign::NotSeen,
        pids_refused: Sign::NotSeen,
        memory_watched: true,
    }
}

#[test]
fn by_numbers_the_first_check_in_the_kernels_order_wins() {
    for stage in [Stage::Early, Stage::Unseen] {
        let mut e = both_full(stage);
        e.pids_full = Some(cgroup("/a", 50, Some(50)));
        e.pids_delta = (stage == Stage::Unseen).then_some(0);
        let inferred = Certainty::Inferred;
        assert_eq!(
            verdict(&e),
            (Cause::RlimitNproc, inferred, Some("uid 1000".to_owned()))
        );
        e.nproc_exempt = true;
        assert_eq!(
            verdict(&e),
            (Cause::ThreadsMax, inferred, Some("host".to_owned()))
        );
    }
}

#[test]
fn what_was_seen_decides_and_not_which_limit_is_full_at_the_return() {
    let mut e = both_full(Stage::Early);
    e.signs = silent();
    let observed = Certainty::Observed;
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
    assert_eq!(verdict(&e).1, observed);
    e.signs.nproc_asked = Sign::Seen;
    assert_eq!(
        verdict(&e),
        (Cause::RlimitNproc, observed, Some("uid 1000".to_owned()))
    );
    // The scheduler was come to: both had agreed.
    e.signs.nproc_asked = Sign::NotSeen;
    e.signs.sched_reached = Sign::Seen;
    e.deadline = true;
    assert_eq!(verdict(&e), (Cause::SchedDeadline, observed, None));
    // A SCHED_DEADLINE task that threads-max refused before.
    e.signs.sched_reached = Sign::NotSeen;
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
}

#[test]
fn a_capability_that_was_denied_exempts_from_nothing() {
    let mut e = both_full(Stage::Early);
    e.signs = silent();
    e.nproc_exempt = true;
    e.signs.capability_denied = true;
    // The second one may have been granted, and threads-max is full.
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
    e.threads = Some(Threads { now: 40, max: 4000 });
    assert_eq!(verdict(&e).0, Cause::RlimitNproc);
    assert_eq!(verdict(&e).1, Certainty::Inferred);
    // The first was denied and the second granted, and the scheduler refused.
    e.signs.sched_reached = Sign::Seen;
    e.deadline = true;
    let observed = Certainty::Observed;
    assert_eq!(verdict(&e), (Cause::SchedDeadline, observed, None));
}

#[test]
fn the_capability_that_is_asked_for_last_can_have_been_denied_unseen() {
    let mut e = both_full(Stage::Early);
    e.signs = silent();
    (e.nproc_exempt, e.nproc_exempt_by_admin) = (true, true);
    // It was granted, as far as the numbers go.
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
    e.threads = Some(Threads { now: 40, max: 4000 });
    assert_eq!(verdict(&e).0, Cause::RlimitNproc);
    assert_eq!(verdict(&e).1, Certainty::Inferred);
    // CAP_SYS_RESOURCE exempts first, and a denial of that is noted.
    e.nproc_exempt_by_admin = false;
    assert_eq!(verdict(&e).0, Cause::ThreadsMax);
}

#[test]
fn a_threads_shadow_stack_is_not_told_as_ids_that_ran_out() {
    let mut e = roomy(Errno::EAGAIN, Stage::IoToPid);
    assert_eq!(verdict(&e).0, Cause::PidMax);
    (e.shares_vm, e.operation) = (true, Operation::Thread);
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // A vfork gets none.
    e.clone_flags = forktrace_common::clone::VFORK;
    assert_eq!(verdict(&e).0, Cause::PidMax);
    // Ids can have run out, and some be back.
    e.clone_flags = 0;
    e.pid_ns[0].allocated = 32700;
    assert_eq!(verdict(&e).0, Cause::PidMax);
}

#[test]
fn a_kernel_thread_is_answered_eagain_for_want_of_memory_too() {
    let mut e = both_full(Stage::Early);
    e.signs = silent();
    e.operation = Operation::KernelThread;
    assert_eq!(verdict(&e).1, Certainty::Inferred);
    e.threads = Some(Threads { now: 40, max: 4000 });
    assert_eq!(verdict(&e).0, Cause::Unknown);
}

#[test]
fn what_a_user_namespace_counts_by_itself_says_so() {
    let mut e = both_full(Stage::Early);
    e.signs.nproc_asked = Sign::Seen;
    let mut within = |inum| {
        if let Some(level) = &mut e.nproc_full {
            level.userns = inum;
        }
        judge(&e)
            .limit
            .and_then(|limit| limit.nested_within().cloned())
    };
    // The initial one, and kernels that count on the whole host.
    assert_eq!(within(Some(4_026_531_837)), None);
    assert_eq!(within(None), None);
    assert_eq!(
        within(Some(4_026_532_001)),
        Some(Owner::user_namespace(4_026_532_001))
    );
}

#[test]
fn no_verdict_says_what_its_own_numbers_contradict() {
    // Inferred from numbers that had room: nothing is left of it.
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.nproc_full = Some(NprocLevel {
        usage: 1,
        limit: Some(6),
        ..e.nproc[0].clone()
    });
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // Seen: the cause and the owner stand, without the numbers.
    e.stage = Stage::Early;
    e.signs = silent();
    e.signs.nproc_asked = Sign::Seen;
    let v = judge(&e);
    assert_eq!(
        (v.cause, v.certainty),
        (Cause::RlimitNproc, Certainty::Observed)
    );
    let limit = v.limit.unwrap();
    assert_eq!(limit.owner, Owner::user(1000));
    assert_eq!((limit.usage, limit.value), (None, None));
    // The same of each cause that counts.
    let mut e = roomy(Errno::EAGAIN, Stage::Early);
    e.signs = silent();
    assert_eq!(
        judge(&e).limit.map(|l| (l.usage, l.value)),
        Some((None, None))
    );
    let mut e = roomy(Errno::EAGAIN, Stage::Cgroups);
    e.pids_full = Some(cgroup("/a", 3, Some(50)));
    assert_eq!(verdict(&e).0, Cause::Unknown);
    e.signs.pids_refused = Sign::Seen;
    let v = judge(&e);
    assert_eq!(
        v.limit.map(|l| (l.owner, l.usage)),
        Some((Owner::cgroup("/a"), None))
    );
    // "max" refuses nobody either.
    e.pids_full = Some(cgroup("/a", 3, None));
    assert_eq!(judge(&e).limit.map(|l| l.usage), Some(None));
}

#[test]
fn ids_in_use_are_no_verdict_but_that_none_is_free_is() {
    // 221 in use, most of them below 300.
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.pid_ns[0].pid_max = Some(360);
    e.pid_ns[0].allocated = 221;
    let v = judge(&e);
    let ids = |v: &Verdict| {
        let ids = v.candidates.iter().find(|c| c.kind == LimitKind::PidMax);
        ids.and_then(|ids| ids.usage)
    };
    assert_eq!((v.cause, ids(&v)), (Cause::Unknown, Some(59)));
    // Those aren't given again.
    e.pid_ns[0].first = 190;
    assert_eq!(ids(&judge(&e)), Some(31));
    e.pid_ns[0].full = true;
    let v = judge(&e);
    assert_eq!(v.cause, Cause::PidMax);
    assert_eq!(
        v.limit.map(|l| (l.usage, l.usable)),
        Some((Some(60), Some(60)))
    );
    // Seen to have none, and ids have come back since: whose they were is known
    // where there is one namespace only.
    e.stage = Stage::IoToPid;
    e.pid_ns[0].full = false;
    let v = judge(&e);
    assert_eq!((v.cause, v.certainty), (Cause::PidMax, Certainty::Observed));
    assert_eq!(
        v.limit.map(|l| (l.owner, l.usage)),
        Some((Owner::Host, None))
    );
    e.pid_ns.push(e.pid_ns[0].clone());
    assert_eq!(judge(&e).limit, None);
}

#[test]
fn an_execve_elsewhere_is_no_refusal_by_itself() {
    let mut e = roomy(Errno::EAGAIN, Stage::SecurityToFs);
    e.in_exec = true;
    assert_eq!(
        verdict(&e),
        (Cause::ExecInProgress, Certainty::Inferred, None)
    );
    e.signs = silent();
    assert_eq!(verdict(&e), (Cause::Lsm, Certainty::Observed, None));
    e.signs.security_passed = Sign::Seen;
    e.in_exec = false;
    assert_eq!(
        verdict(&e),
        (Cause::ExecInProgress, Certainty::Observed, None)
    );
}

/// The hooks of a security module for what is asked for beside the task.
#[test]
fn a_module_is_named_where_nothing_else_answers_so() {
    use forktrace_common::clone;
    let lsm = (Cause::Lsm, Certainty::Inferred, None);
    // The file of a pidfd, with ids to spare.
    let mut e = roomy(Errno::EAGAIN, Stage::IoToPid);
    e.clone_flags = clone::PIDFD;
    assert_eq!(verdict(&e), lsm);
    // Ids can have come back.
    e.pid_ns[0].allocated = 32768 - 300 - 10;
    assert_eq!(verdict(&e), (Cause::PidMax, Certainty::Inferred, None));
    e.pid_ns[0].full = true;
    assert_eq!(verdict(&e).1, Certainty::Observed);
    // A child in another cpuset, while its new cgroup is full as well.
    let mut e = roomy(Errno::EAGAIN, Stage::Cgroups);
    e.pids_full = Some(cgroup("/a", 50, Some(50)));
    e.clone_flags = clone::INTO_CGROUP;
    assert_eq!(verdict(&e).0, Cause::CgroupPidsMax);
    e.signs = silent();
    assert_eq!(verdict(&e), lsm);
    e.clone_flags = 0;
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // A user namespace, before any limit is asked.
    let mut e = both_full(Stage::Early);
    e.deadline = true;
    e.clone_flags = clone::NEWUSER;
    e.signs = silent();
    e.signs.sched_reached = Sign::Unwatched;
    e.signs.child = Sign::NotSeen;
    assert_eq!(verdict(&e), lsm);
    e.clone_flags = 0;
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // 5.10 asks RLIMIT_NPROC first.
    e.clone_flags = clone::NEWUSER;
    e.signs.nproc_asked = Sign::Seen;
    assert_eq!(verdict(&e).0, Cause::RlimitNproc);
}

#[test]
fn the_pids_controller_counts_its_refusals() {
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.pids_full = Some(cgroup("/a", 50, Some(50)));
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
    e.nproc_full = Some(e.nproc[0].clone());
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // It refused, and the room has come back: whose it was isn't known.
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.pids_delta = Some(1);
    assert_eq!(
        verdict(&e),
        (Cause::CgroupPidsMax, Certainty::Inferred, None)
    );
}

/// Tasks come and go in two cgroups on the way, both at their limits; 6.11+ counts the refusals of each.
#[test]
fn counts_of_refusals_say_whose_room_has_come_back() {
    let numbered = |id, path, usage, limit, events| CgroupLimit {
        id,
        events,
        ..cgroup(path, usage, Some(limit))
    };
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.pids_delta = Some(1);
    let mut named = |inner: (u64, Option<u64>), outer: (u64, Option<u64>)| {
        e.pids = vec![
            numbered(1, "/a/b", inner.0, 6, inner.1),
            numbered(2, "/a", outer.0, 20, outer.1),
        ];
        let full = |c: &&CgroupLimit| c.limit.is_some_and(|limit| c.usage >= limit);
        e.pids_full = e.pids.iter().find(full).cloned();
        assert_eq!(judge(&e).cause, Cause::CgroupPidsMax);
        let limit = judge(&e).limit;
        limit.map(|limit| (limit.owner.to_string(), limit.usage))
    };
    let inner = |usage| Some(("/a/b".to_owned(), usage));
    let outer = |usage| Some(("/a".to_owned(), usage));
    // Where nothing counts, the first that is full.
    assert_eq!(named((6, None), (20, None)), inner(Some(6)));
    assert_eq!(named((5, None), (20, None)), outer(Some(20)));
    // One alone has ever refused.
    assert_eq!(named((6, Some(3)), (20, Some(0))), inner(Some(6)));
    assert_eq!(named((5, Some(0)), (20, Some(1))), outer(Some(20)));
    assert_eq!(named((5, Some(1)), (20, Some(0))), inner(None));
    assert_eq!(named((5, Some(0)), (19, Some(1))), outer(None));
    // Both have, and either can have had no room; the outer one is far from it.
    assert_eq!(named((5, Some(1)), (20, Some(1))), None);
    assert_eq!(named((6, Some(1)), (20, Some(1))), None);
    assert_eq!(named((6, Some(1)), (19, Some(1))), None);
    assert_eq!(named((6, Some(1)), (11, Some(1))), inner(Some(6)));
    assert_eq!(named((5, Some(1)), (19, Some(1))), None);
}

#[test]
fn whose_pids_max_refused_is_not_known_once_it_has_changed() {
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.pids_full = Some(cgroup("/a", 50, Some(50)));
    e.pids_limits_changed = true;
    // The controller has counted a refusal: by whom it was is another matter.
    e.pids_delta = Some(1);
    assert_eq!(
        verdict(&e),
        (Cause::CgroupPidsMax, Certainty::Inferred, None)
    );
    e.pids_delta = None;
    assert_eq!(verdict(&e).0, Cause::Unknown);

    // By the limits' own counts one is left; the outer one's is gone, and it may have been that.
    e.pids_delta = Some(1);
    e.pids = vec![CgroupLimit {
        events: Some(3),
        ..cgroup("/a/b", 20, Some(100))
    }];
    assert_eq!(verdict(&e).2, Some("/a/b".to_owned()));
    e.pids_unlimited_refused = true;
    assert_eq!(
        verdict(&e),
        (Cause::CgroupPidsMax, Certainty::Inferred, None)
    );
}

#[test]
fn the_refusing_cgroup_is_named_as_it_was_at_the_refusal() {
    let mut e = roomy(Errno::EAGAIN, Stage::Cgroups);
    e.pids_full = Some(cgroup("/a", 50, Some(50)));
    let scope = Some("/a".to_owned());
    assert_eq!(
        verdict(&e),
        (Cause::CgroupPidsMax, Certainty::Inferred, scope.clone())
    );
    e.signs.pids_refused = Sign::Seen;
    // The limit was raised right afterwards.
    e.pids[1].limit = Some(60);
    assert_eq!(
        verdict(&e),
        (Cause::CgroupPidsMax, Certainty::Observed, scope)
    );
    assert_eq!(
        judge(&e).limit.map(|l| (l.value, l.usage)),
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
        o.committed = (4 << 30) - (100 << 20);
    }
    assert_eq!(verdict(&e).0, Cause::Overcommit);
    assert_eq!(verdict(&e).1, Certainty::Inferred);
    // Most of it isn't promised again (MADV_DONTFORK), by the mappings' flags.
    if let Some(o) = &mut e.overcommit {
        o.accounted = Some(1 << 20);
    }
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // Seen: what was compared is said, whatever the numbers are now.
    e.signs = silent();
    assert_eq!(verdict(&e).0, Cause::Unknown);
    e.signs.overcommit_refused = Sign::Seen;
    if let Some(o) = &mut e.overcommit {
        o.refused = Some(Refused {
            requested: 100 << 20,
            committed: 4 << 30,
        });
    }
    let limit = judge(&e).limit.unwrap();
    assert_eq!(limit.requested, Some(100 << 20));
    assert_eq!(limit.usage, Some(4 << 30));
    assert_eq!(verdict(&e).1, Certainty::Observed);
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
fn a_memory_cgroup_near_its_limit_is_not_the_cause_beside_a_dead_namespace() {
    for stage in [Stage::IoToPid, Stage::Unseen] {
        let mut e = roomy(Errno::ENOMEM, stage);
        e.pid_ns[0].dead = true;
        e.kernel_memory_near = Some(cgroup("/k", 90, Some(100)));
        let mut full = cgroup("/m", 95 << 20, Some(95 << 20));
        full.oom_kill_disable = true;
        e.memory = vec![full];
        assert_eq!(verdict(&e).0, Cause::PidNamespaceDead, "{stage:?}");
    }
    // By numbers that are no more than a guess, either can be the one.
    let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
    e.pid_ns[0].dead = true;
    if let Some(o) = &mut e.overcommit {
        o.mode = OvercommitMode::Never;
        o.committed = 4 << 30;
    }
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // The same beside kernel memory that is at its limit all the time.
    e.pid_ns[0].dead = false;
    assert_eq!(verdict(&e).0, Cause::Overcommit);
    e.kernel_memory_near = Some(cgroup("/k", 90, Some(100)));
    assert_eq!(verdict(&e).0, Cause::Unknown);
    e.overcommit = None;
    assert_eq!(verdict(&e).0, Cause::CgroupKernelMemoryMax);
}

/// Of v1's two limits the one that was called for may be the one of memory and swap together, which is not read.
#[test]
fn a_v1_limit_that_has_room_is_not_told_as_full() {
    let used = |file: &str, usage: u64| {
        let mut e = roomy(Errno::ENOMEM, Stage::SighandToNamespaces);
        e.memory_refused = Some(CgroupLimit {
            file: Some(file.to_owned()),
            ..cgroup("/m", usage, Some(100 << 20))
        });
        let verdict = judge(&e);
        assert_eq!(verdict.cause, Cause::CgroupMemoryMax);
        assert_eq!(verdict.certainty, Certainty::Observed);
        let limit = verdict.limit.unwrap();
        assert_eq!(limit.value, Some(100 << 20));
        limit.usage
    };
    let (v1, v2) = ("/m/memory.limit_in_bytes", "/m/memory.max");
    let full = 100 << 20;
    assert_eq!(used(v1, full), Some(full));
    assert_eq!(used(v1, 40 << 20), None);
    assert_eq!(used(v2, 40 << 20), Some(40 << 20));
}

/// Within what the kernel's counter keeps back, the copy can have passed; a namespace without an init refuses then.
#[test]
fn overcommit_that_is_only_near_is_not_the_cause_beside_a_dead_namespace() {
    let named = |dead, over: i64| {
        let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
        e.pid_ns[0].dead = dead;
        if let Some(o) = &mut e.overcommit {
            o.mode = OvercommitMode::Never;
            o.accounted = Some(1 << 27);
            let sum = o.allowed().saturating_add_signed(over);
            o.committed = sum - (1 << 27);
        }
        verdict(&e).0
    };
    let near: i64 = 32 << 20;
    for over in [-near, 0, near] {
        assert_eq!(named(true, over), Cause::Unknown, "{over}");
        assert_eq!(named(false, over), Cause::Overcommit, "{over}");
    }
    for (over, cause) in [
        (8 * near, Cause::Overcommit),
        (-8 * near, Cause::PidNamespaceDead),
    ] {
        assert_eq!(named(true, over), cause, "{over}");
    }
}

#[test]
fn no_cause_claims_what_it_cannot_answer() {
    // Whatever is full, ENOMEM is never an EAGAIN limit and vice versa.
    let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
    e.nproc[0].usage = 100;
    e.nproc_full = Some(e.nproc[0].clone());
    e.threads = Some(Threads { now: 40, max: 40 });
    e.pids_full = Some(cgroup("/a", 50, Some(50)));
    e.pid_ns[0].allocated = 40000;
    e.pid_ns[0].full = true;
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
        page: Page::KIB_4,
        addresses: 1 << 47,
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
    let names: Vec<_> = judge(&e).candidates.into_iter().map(|c| c.kind).collect();
    assert_eq!(
        names,
        [
            LimitKind::RlimitAs,
            LimitKind::RlimitData,
            LimitKind::MaxMapCount
        ]
    );
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
        assert_eq!(limit.owner, Owner::Process);
        assert!(v.candidates.iter().all(|c| c.kind != LimitKind::RlimitData));
    }
}

/// Another thread has mapped or given back memory meanwhile.
#[test]
fn the_errno_says_whether_it_was_locked_memory() {
    let named = |errno, locked_memory| {
        let mut e = stack(Stage::ThreadStack, Call::Mmap);
        e.errno = errno;
        if let Some(stack) = &mut e.thread_stack {
            stack.locked = true;
            stack.locked_memory = locked_memory;
            stack.total = 119 << 20;
        }
        verdict(&e).0
    };
    assert_eq!(named(Errno::EAGAIN, 1 << 20), Cause::RlimitMemlock);
    assert_eq!(named(Errno::EAGAIN, 0), Cause::Unknown);
    assert_eq!(named(Errno::ENOMEM, 0), Cause::RlimitAs);
    assert_eq!(named(Errno::ENOMEM, 1 << 20), Cause::Unknown);
}

/// A caller that has ended can't be looked at, and huge pages are promised by nobody.
#[test]
fn huge_pages_of_a_caller_that_has_ended_are_no_promise() {
    let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
    if let Some(o) = &mut e.overcommit {
        o.mode = OvercommitMode::Never;
        o.committed = 4 << 30;
        o.private_writable = 1 << 27;
        o.huge = 0;
    }
    assert_eq!(verdict(&e).0, Cause::Overcommit);
    if let Some(o) = &mut e.overcommit {
        o.committed = o.allowed() - (1 << 20);
        o.huge = 1 << 27;
    }
    assert_eq!(verdict(&e).0, Cause::Unknown);
    // What isn't huge is enough.
    if let Some(o) = &mut e.overcommit {
        o.huge = 1 << 26;
    }
    assert_eq!(verdict(&e).0, Cause::Overcommit);
}

/// Page cache fills a memory cgroup for good; v2 counts whomever it refuses.
#[test]
fn a_full_memory_cgroup_that_has_refused_nobody_leaves_overcommit() {
    let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
    if let Some(o) = &mut e.overcommit {
        o.mode = OvercommitMode::Never;
        o.committed = 4 << 30;
    }
    let v2 = "/sys/fs/cgroup/a/memory.max";
    for (file, delta, cause) in [
        (v2, Some(0), Cause::Overcommit),
        // Whose OOM killer it was isn't known.
        (v2, Some(1), Cause::Unknown),
        (v2, None, Cause::Unknown),
        (
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            Some(0),
            Cause::Unknown,
        ),
    ] {
        e.memory_delta = delta;
        e.memory = vec![CgroupLimit {
            file: Some(file.to_owned()),
            ..cgroup("/a", 1 << 26, Some(1 << 26))
        }];
        assert_eq!(verdict(&e).0, cause, "{file}, {delta:?}");
    }
}

/// The OOM killer of a cgroup beside it is at work all the time.
#[test]
fn an_oom_event_is_of_whichever_cgroup_below_the_topmost() {
    let full = || cgroup("/a/b", 1 << 26, Some(1 << 26));
    let mut e = roomy(Errno::ENOMEM, Stage::Unseen);
    e.memory_delta = Some(1);
    e.memory = vec![full()];
    let memory = (Cause::CgroupMemoryMax, Certainty::Inferred);
    let named = |e: &Evidence| (judge(e).cause, judge(e).certainty);
    for events in [None, Some(3)] {
        e.memory[0].events = events;
        assert_eq!(named(&e), memory, "{events:?}");
    }
    let dead = |e: &Evidence| {
        let mut dead = e.clone();
        dead.pid_ns[0].dead = true;
        dead
    };
    let strict = |e: &Evidence| {
        let mut strict = e.clone();
        if let Some(o) = &mut strict.overcommit {
            o.mode = OvercommitMode::Never;
            o.committed = 4 << 30;
        }
        strict
    };
    // Either can have refused.
    assert_eq!(named(&dead(&e)).0, Cause::Unknown);
    assert_eq!(named(&strict(&e)).0, Cause::Unknown);
    // It is full of page cache, and has never called its own.
    e.memory[0].events = Some(0);
    assert_eq!(named(&e).0, Cause::Unknown);
    assert_eq!(named(&dead(&e)).0, Cause::PidNamespaceDead);
    assert_eq!(named(&strict(&e)).0, Cause::Overcommit);
    // Its parent's limit is the one.
    e.memory.push(CgroupLimit {
        events: Some(7),
        ..cgroup("/a", 1 << 27, Some(1 << 27))
    });
    assert_eq!(verdict(&e).2.as_deref(), Some("/a"));
}

#[test]
fn an_execve_that_is_under_way_proves_nothing_beside_ids_that_ran_out() {
    let mut e = roomy(Errno::EAGAIN, Stage::Unseen);
    e.in_exec = true;
    assert_eq!(verdict(&e).0, Cause::ExecInProgress);
    e.pid_ns[0].full = true;
    assert_eq!(verdict(&e).0, Cause::Unknown);
    e.in_exec = false;
    assert_eq!(verdict(&e).0, Cause::PidMax);
}

#[test]
fn the_first_namespace_without_an_id_refuses() {
    let e = roomy(Errno::EAGAIN, Stage::IoToPid);
    let ns = |inum, level, full| PidNs {
        inum,
        level,
        full,
        ..e.pid_ns[0].clone()
    };
    for (full, owner) in [
        ([true, true, true], "pid namespace 9"),
        ([false, true, true], "pid namespace 8"),
        ([false, false, true], "host"),
        ([true, false, false], "pid namespace 9"),
    ] {
        let pid_ns = vec![ns(9, 2, full[0]), ns(8, 1, full[1]), ns(4, 0, full[2])];
        let e = Evidence {
            pid_ns,
            ..e.clone()
        };
        let wanted = (Cause::PidMax, Certainty::Observed, Some(owner.to_owned()));
        assert_eq!(verdict(&e), wanted, "{full:?}");
    }
}

#[test]
fn an_id_that_is_asked_for_does_not_run_out() {
    let mut e = roomy(Errno::EAGAIN, Stage::IoToPid);
    let ns = |inum, level| PidNs {
        inum,
        level,
        full: true,
        ..e.pid_ns[0].clone()
    };
    e.pid_ns = vec![ns(8, 1), ns(4, 0)];
    assert_eq!(verdict(&e).2.as_deref(), Some("pid namespace 8"));
    let mut asked = super::late_tests::no_other_errno();
    (asked.set_tid_size, asked.set_tid) = (1, vec![100]);
    e.other_errnos = Some(asked);
    assert_eq!(verdict(&e).2.as_deref(), Some("host"));
}

#[test]
fn a_memory_cgroup_is_full_with_what_the_child_gave_back() {
    let mut e = roomy(Errno::ENOMEM, Stage::SighandToNamespaces);
    let child = e.half_made;
    let limit = 64 << 20;
    let mut full = |usage: u64, above: u64| {
        e.memory = vec![
            cgroup("/a/b", usage, Some(limit)),
            cgroup("/a", above, Some(limit)),
        ];
        e.full_memory().and_then(|c| c.path.clone())
    };
    let least = limit - child;
    assert_eq!(full(least - 1, least - 1), None);
    assert_eq!(full(least, 0).as_deref(), Some("/a/b"));
    assert_eq!(full(least - 1, least).as_deref(), Some("/a"));
    // The first on the way up.
    assert_eq!(full(limit, limit).as_deref(), Some("/a/b"));
    assert_eq!(full(u64::MAX, 0).as_deref(), Some("/a/b"));
}
