//! pids.max of a cgroup, or of one of its ancestors: EAGAIN.
//!
//! kernel/cgroup/pids.c `pids_can_fork`: from the child's cgroup up to below
//! the root, the first that has no room refuses. Root is not exempt; tasks
//! that are moved in are never refused, so usage can exceed the limit. With
//! CLONE_INTO_CGROUP the target is charged.

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict, candidates,
        words::{Words, fix, numbers, roomier, shell_word},
    },
    evidence::{CgroupLimit, Evidence, Stage},
    host::identity,
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::CgroupPidsMax,
    seen,
    exhausted,
    fix: fixes,
    summary,
};

fn seen(e: &Evidence) -> Option<Finding> {
    match e.stage {
        Stage::Pids => match &e.pids_refused {
            Some(cgroup) => Finding::observed(candidates::pids(cgroup)),
            // The room came back before the numbers could be read: the least
            // roomy cgroup is the likely one.
            None => Finding::inferred(least_roomy(e).map(candidates::pids)),
        },
        // Of what cgroup_can_fork() asks, only the pids controller answers
        // EAGAIN (the cpuset controller: ENODEV, ENOSPC).
        Stage::Cgroups if e.errno == Errno::EAGAIN => match e.full_pids() {
            Some(cgroup) => Finding::observed(candidates::pids(cgroup)),
            None => Finding::inferred(least_roomy(e).map(candidates::pids)),
        },
        _ => None,
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    match e.pids_delta {
        // The controller counts each refusal before it answers: none, none.
        Some(0) => None,
        Some(_) => Finding::inferred(
            e.full_pids()
                .or_else(|| least_roomy(e))
                .map(candidates::pids),
        ),
        None => Finding::inferred(candidates::pids(e.full_pids()?)),
    }
}

fn least_roomy(e: &Evidence) -> Option<&CgroupLimit> {
    e.pids
        .iter()
        .filter_map(|c| Some((c.limit?.saturating_sub(c.usage), c)))
        .min_by_key(|(room, _)| *room)
        .map(|(_, c)| c)
}

fn summary(v: &Verdict, w: &Words<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}pids.max of one of its cgroups is reached", w.opening());
    };
    let whose = if w.cgroup.path.as_deref() == Some(limit.scope.as_str()) {
        "its cgroup"
    } else {
        "cgroup"
    };
    format!(
        "{}{whose} {} has {} that its pids.max allows",
        w.opening(),
        limit.scope,
        numbers(limit)
    )
}

fn fixes(v: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    let Some(limit) = &v.limit else {
        return Vec::new();
    };
    // Usage above the limit: the limit was lowered, or tasks were moved in.
    let target = roomier(limit.value.max(limit.usage).unwrap_or(0));
    let now = limit
        .file
        .as_deref()
        .and_then(shell_word)
        .map(|file| format!("echo {target} > {file}"));
    let owner = identity::identify(&limit.scope);
    let persistent = if let Some(pod) = owner.pod {
        format!("kubelet configuration: podPidsLimit: {target} (pod {pod})")
    } else if let Some(container) = owner.container {
        format!(
            "docker update --pids-limit {target} {container} (other runtimes: --pids-limit when it is started)"
        )
    } else if let Some(unit) = owner.unit.as_deref().and_then(shell_word) {
        match owner.user_manager {
            Some(uid) => {
                format!("systemctl --user set-property {unit} TasksMax={target} (as uid {uid})")
            }
            None => format!("systemctl set-property {unit} TasksMax={target}"),
        }
    } else {
        "raise the limit where this cgroup is set up".to_owned()
    };
    vec![fix(
        now,
        persistent,
        "it counts threads as well as processes, in the whole subtree".to_owned(),
    )]
}
