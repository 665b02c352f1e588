//! Limits that were full as well when another refused: with that one raised, they refuse next.

use std::cmp::Reverse;

use super::{Cause, Verdict};
use crate::{
    model::{Limit, Owner, Unit},
    order::Order as _,
};

/// Those of a verdict that names a limit, in the order in which the kernel asks them. Candidates are
/// limits that bind the caller; what was in use when tasks or ids were counted is exact, while memory is
/// reclaimed, and promises of it are estimates.
pub fn also_full(verdict: &Verdict) -> Vec<&Limit> {
    if verdict.limit.is_none() {
        return Vec::new();
    }
    let mut full: Vec<&Limit> = verdict.candidates.iter().filter(|c| is_full(c)).collect();
    full.order_by_key(|limit| place(limit));
    full
}

/// As full as `check` calls near.
const NEAR: f64 = 0.9;

/// The limit that lets the fewest more pass where none of those that refused is left, if it is few, and how
/// many these are.
pub(super) fn next_near(verdict: &Verdict) -> Option<(&Limit, u64)> {
    let limit = verdict.limit.as_ref()?;
    if !matches!(limit.unit, Unit::Tasks | Unit::Ids) {
        return None;
    }
    let is_near = |limit: &&Limit| {
        matches!(limit.unit, Unit::Tasks | Unit::Ids)
            && limit.requested == Some(1)
            && limit.fullness().is_some_and(|full| full >= NEAR)
            && !is_full(limit)
    };
    let near = verdict.candidates.iter().filter(is_near);
    let near = near.filter_map(|limit| Some((limit, limit.bound()?.checked_sub(limit.usage?)?)));
    near.min_by_key(|(limit, left)| (*left, place(limit)))
}

/// Whether the same creation would be refused.
fn is_full(limit: &Limit) -> bool {
    let (Unit::Tasks | Unit::Ids, Some(usage), Some(bound), Some(more)) =
        (limit.unit, limit.usage, limit.bound(), limit.requested)
    else {
        return false;
    };
    usage.saturating_add(more) > bound
}

/// By check, and within one from the caller's own up: a cgroup's ancestors have shorter paths, a user
/// comes before who has created the user namespace, and the host's ids after those of namespaces.
fn place(limit: &Limit) -> (usize, Reverse<usize>, bool) {
    let depth = match &limit.owner {
        Owner::Cgroup(_) => limit.owner.cgroup_path().map_or(0, str::len),
        _ => 0,
    };
    let outer = matches!(limit.owner, Owner::UserNamespace(_) | Owner::Host);
    (Cause::of_limit(&limit.kind).check(), Reverse(depth), outer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cause::{Context, Subject, answer},
        model::{
            Caller, Certainty, Cgroup, Errno, Fix, LimitKind, Operation, caller::tests::caller,
        },
    };

    fn limit(kind: LimitKind, owner: Owner, usage: u64, value: u64) -> Limit {
        let unit = match kind {
            LimitKind::PidMax => Unit::Ids,
            LimitKind::MemoryMax => Unit::Bytes,
            _ => Unit::Tasks,
        };
        Limit {
            value: Some(value),
            usage: Some(usage),
            requested: Some(1),
            ..Limit::new(kind, owner, unit)
        }
    }

    fn pids(path: &str, usage: u64, value: u64) -> Limit {
        Limit {
            file: Some(format!("/sys/fs/cgroup{path}/pids.max")),
            ..limit(LimitKind::PidsMax, Owner::cgroup(path), usage, value)
        }
    }

    fn verdict(limit: Limit, candidates: Vec<Limit>) -> Verdict {
        Verdict {
            cause: Cause::of_limit(&limit.kind),
            certainty: Certainty::Observed,
            limit: Some(limit),
            candidates,
        }
    }

    fn fixes(verdict: &Verdict) -> Vec<Fix> {
        let caller: Caller = caller();
        let subject = Subject {
            caller: &caller,
            cgroup: &Cgroup::default(),
            operation: Operation::Process,
            errno: Errno::EAGAIN,
            target: None,
        };
        answer(verdict, &subject, &Context::default()).fix
    }

    #[test]
    fn what_refuses_next_has_its_own_step() {
        let above = vec![
            pids("/a", 9, 5),
            pids("/a/b", 3, 3),
            pids("/", 40, 41),
            limit(LimitKind::MemoryMax, Owner::cgroup("/a"), 9, 5),
            limit(LimitKind::ThreadsMax, Owner::Host, 90, 900),
        ];
        let fixes = fixes(&verdict(pids("/a/b/c", 1, 1), above));
        let now: Vec<_> = fixes.iter().filter_map(|fix| fix.now.as_deref()).collect();
        assert_eq!(
            now,
            [
                "echo 10 > /sys/fs/cgroup/a/b/c/pids.max",
                "echo 14 > /sys/fs/cgroup/a/b/pids.max",
                "echo 26 > /sys/fs/cgroup/a/pids.max"
            ]
        );
        let at = |text: &str| {
            let is = |fix: &Fix| fix.note.as_deref() == Some(text);
            fixes.iter().position(is).expect(text)
        };
        let first = at("then pids.max of /a/b, which is full too (3 of 3 tasks):");
        assert_eq!(fixes[first + 1].now.as_deref(), Some(now[1]));
        let second = at("then pids.max of /a, which is full too (9 of 5 tasks):");
        assert_eq!(fixes[second + 1].now.as_deref(), Some(now[2]));
        // What a limit counts is said once.
        let counts = |fix: &&Fix| fix.note.as_ref().is_some_and(|n| n.contains("it counts"));
        assert_eq!(fixes.iter().filter(counts).count(), 1);
    }

    #[test]
    fn in_the_order_of_the_kernels_checks() {
        let candidates = vec![
            pids("/a", 30, 3),
            limit(LimitKind::PidMax, Owner::Host, 7, 7),
            limit(LimitKind::PidMax, Owner::PidNamespace { inum: 5 }, 7, 7),
            limit(LimitKind::ThreadsMax, Owner::Host, 7, 7),
            limit(LimitKind::RlimitNproc, Owner::user_namespace(9), 9, 7),
            limit(LimitKind::RlimitNproc, Owner::user(9), 7, 7),
        ];
        let verdict = verdict(pids("/a/b", 1, 1), candidates);
        let titles: Vec<_> = also_full(&verdict).into_iter().map(Limit::title).collect();
        assert_eq!(
            titles,
            [
                "RLIMIT_NPROC of uid 9",
                "RLIMIT_NPROC of user namespace 9",
                "kernel.threads-max of host",
                "kernel.pid_max of pid namespace 5",
                "kernel.pid_max of host",
                "pids.max of /a"
            ]
        );
    }

    #[test]
    fn what_lets_only_a_few_more_pass_is_said() {
        let notes = |candidates| {
            let fixes = fixes(&verdict(pids("/a/b", 1, 1), candidates)).into_iter();
            let notes = fixes.filter_map(|fix| fix.note);
            let notes: Vec<_> = notes.filter(|note| note.contains("get through")).collect();
            notes
        };
        let near = vec![
            pids("/a", 95, 100),
            limit(LimitKind::PidMax, Owner::Host, 997, 1000),
            limit(LimitKind::ThreadsMax, Owner::Host, 997, 1000),
        ];
        assert_eq!(
            notes(near),
            [
                "with that raised, 3 more get through: then kernel.threads-max of host refuses (997 of 1000 tasks)"
            ]
        );
        let far = vec![pids("/a", 89, 100), pids("/", 100, 100)];
        assert!(notes(far).is_empty());
        let memory = limit(LimitKind::MemoryMax, Owner::cgroup("/a"), 99, 100);
        let of = |limit, near| {
            let verdict = verdict(limit, vec![near]);
            next_near(&verdict).map(|(limit, left)| (limit.kind.clone(), left))
        };
        assert_eq!(of(pids("/a", 1, 1), memory.clone()), None);
        assert_eq!(of(memory, pids("/a", 99, 100)), None);
        // execve adds nothing.
        let at_exec = Limit {
            requested: Some(0),
            ..limit(LimitKind::RlimitNproc, Owner::user(9), 99, 100)
        };
        assert_eq!(of(pids("/a", 1, 1), at_exec), None);
    }

    #[test]
    fn what_has_room_or_asks_for_nothing_is_not_named() {
        // execve adds nothing: at its limit a user may.
        let at_exec = Limit {
            requested: Some(0),
            ..limit(LimitKind::RlimitNproc, Owner::user(9), 7, 7)
        };
        let verdict = verdict(pids("/a/b", 1, 1), vec![pids("/a", 2, 3), at_exec]);
        assert!(also_full(&verdict).is_empty());
        let without = Verdict {
            limit: None,
            candidates: vec![pids("/a", 3, 3)],
            ..verdict
        };
        assert!(also_full(&without).is_empty());
    }
}
