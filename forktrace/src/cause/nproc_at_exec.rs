//! RLIMIT_NPROC at execve.
//!
//! setuid to a user who is over the limit succeeds and marks the process
//! (kernel/sys.c `set_user`: PF_NPROC_EXCEEDED); its next execve answers EAGAIN
//! if the user is still over (fs/exec.c `do_execveat_common`). Nothing is to be
//! added there, and the caller is counted already, so it refuses at more than
//! the limit, not at the limit; and nobody is exempt but who was at setuid: the
//! user root of the host.

use crate::{
    cause::{Finding, Subject, Verdict, limits},
    evidence::{Evidence, NprocLevel, Stage},
    model::{Certainty, Limit, Owner},
};

/// Tasks that may have ended between the refusal and the look at the numbers.
const RACE: u64 = 8;

/// The limit at one level, as execve compares it.
fn limit(level: &NprocLevel) -> Limit {
    Limit {
        requested: Some(0),
        ..limits::nproc(level)
    }
}

/// The limits that can refuse an execve, fullest first.
pub(super) fn candidates(e: &Evidence) -> Vec<Limit> {
    let levels = e.nproc.iter().filter(|l| l.limit.is_some());
    limits::fullest_first(levels.map(limit).collect())
}

/// What execve's own check says.
pub(super) fn seen(e: &Evidence) -> Option<Finding> {
    let certainty = match e.stage {
        Stage::Exec => Certainty::Observed,
        Stage::ExecReturned => Certainty::Inferred,
        _ => return None,
    };
    if let Some(level) = e.nproc.iter().find(|l| l.over()) {
        return Some(Finding {
            certainty,
            limit: Some(limit(level)),
        });
    }
    // The check has refused, and a task has ended since: whose limit it was is known where there is one, and
    // else concluded from how near it is. What was compared isn't known any more.
    let mut bounds = e.nproc.iter().filter(|l| l.limit.is_some());
    let (certainty, level) = match (bounds.next(), bounds.next()) {
        (Some(only), None) => (certainty, Some(only)),
        _ => {
            let near = |l: &&NprocLevel| l.limit.is_some_and(|limit| l.usage + RACE > limit);
            (Certainty::Inferred, e.nproc.iter().find(near))
        }
    };
    let Some(level) = level else {
        return Finding::inferred(None);
    };
    Some(Finding {
        certainty,
        limit: Some(Limit {
            value: None,
            usage: None,
            ..limit(level)
        }),
    })
}

/// Who was refused, and by whose limit.
pub(super) fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let after = "; setuid had let it pass";
    let Some(limit) = &v.limit else {
        return format!(
            "{}{} was over its RLIMIT_NPROC{after}",
            subject.opening(),
            subject.user()
        );
    };
    let whose = match &limit.owner {
        Owner::User { .. } => format!("{} has", subject.user()),
        owner => format!("the creator of {owner} has"),
    };
    match (limit.usage, limit.value) {
        (Some(usage), Some(value)) => format!(
            "{}{whose} {usage} tasks where RLIMIT_NPROC allows {value}{after}",
            subject.opening()
        ),
        _ => format!(
            "{}{whose} more tasks than RLIMIT_NPROC allows{after}",
            subject.opening()
        ),
    }
}

/// What to know: the limit belongs to the process, the count to the user that it has become, so it is
/// raised where the process has it from, before setuid.
pub(super) const BROUGHT: &str = "the limit is the one that the process brought along (from its parent, LimitNPROC=, or PAM's limits.conf); the count is the user's, threads included, in every session and container of the host (since Linux 5.14 in its user namespace, and with them all tasks of user namespaces that it has created, whatever their uids)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evidence::Signs,
        model::{Errno, Operation},
    };

    fn level(usage: u64, limit: u64, of: Option<u32>) -> NprocLevel {
        NprocLevel {
            usage,
            limit: Some(limit),
            uid: 33,
            userns: Some(1),
            limit_userns: of,
        }
    }

    fn evidence(stage: Stage, nproc: Vec<NprocLevel>) -> Evidence {
        Evidence {
            errno: Errno::EAGAIN,
            operation: Operation::Exec,
            stage,
            uid: 33,
            clone_flags: 0,
            dying: false,
            other_errnos: None,
            shares_vm: false,
            into_cgroup: false,
            nproc_exempt: false,
            nproc_exempt_by_admin: false,
            deadline: false,
            in_exec: false,
            signs: Signs::default(),
            nproc,
            nproc_full: None,
            threads: None,
            limits_changed: false,
            pids_limits_changed: false,
            pids_unlimited_refused: false,
            pid_ns: Vec::new(),
            pids: Vec::new(),
            pids_full: None,
            pids_delta: None,
            memory: Vec::new(),
            memory_refused: None,
            memory_delta: None,
            kernel_memory_near: None,
            half_made: 0,
            huge_pages: None,
            sched_ext: None,
            thread_stack: None,
            overcommit: None,
        }
    }

    #[test]
    fn the_level_that_is_over_refuses_and_not_the_one_that_is_full() {
        let e = evidence(
            Stage::Exec,
            vec![level(40, 40, None), level(19, 17, Some(7))],
        );
        let found = seen(&e).unwrap();
        assert_eq!(found.certainty, Certainty::Observed);
        let limit = found.limit.unwrap();
        assert_eq!(limit.owner, Owner::user_namespace(7));
        assert_eq!((limit.value, limit.usage), (Some(17), Some(19)));
        assert_eq!(limit.requested, Some(0));
    }

    #[test]
    fn capabilities_exempt_from_fork_and_not_from_execve() {
        let mut e = evidence(Stage::ExecReturned, vec![level(6, 5, None)]);
        e.nproc_exempt = true;
        let found = seen(&e).unwrap();
        assert_eq!(found.certainty, Certainty::Inferred);
        assert_eq!(found.limit.unwrap().owner, Owner::user(33));
        assert_eq!(candidates(&e).len(), 1);
    }

    #[test]
    fn a_number_that_has_fallen_is_not_told() {
        let told = |stage, nproc| {
            let found = seen(&evidence(stage, nproc)).unwrap();
            let numbers = found.limit.as_ref().map(|l| (l.usage, l.value));
            assert!(numbers.is_none_or(|numbers| numbers == (None, None)));
            (found.certainty, found.limit.map(|l| l.owner))
        };
        // The check refused, and there is no other limit.
        let user = Some(Owner::user(33));
        for fallen in [
            level(21, 21, None),
            level(20, 21, None),
            level(3, 5000, None),
        ] {
            let seen = told(Stage::Exec, vec![fallen.clone()]);
            assert_eq!(seen, (Certainty::Observed, user.clone()));
            let returned = told(Stage::ExecReturned, vec![fallen]);
            assert_eq!(returned, (Certainty::Inferred, user.clone()));
        }
        // Of several the one that is near; one far away is not claimed.
        let several = |first| vec![level(first, 21, None), level(3, 5000, Some(7))];
        assert_eq!(told(Stage::Exec, several(20)), (Certainty::Inferred, user));
        assert_eq!(told(Stage::Exec, several(1)), (Certainty::Inferred, None));
    }

    #[test]
    fn a_number_that_has_fallen_takes_no_cause_along() {
        let e = evidence(Stage::ExecReturned, vec![level(20, 21, None)]);
        let verdict = crate::cause::judge::judge(&e);
        assert_eq!(verdict.cause, crate::cause::Cause::RlimitNproc);
        assert_eq!(verdict.certainty, Certainty::Inferred);
    }

    #[test]
    fn what_was_not_seen_is_not_concluded() {
        let e = evidence(Stage::ExecUnseen, vec![level(6, 5, None)]);
        assert_eq!(seen(&e), None);
    }
}
