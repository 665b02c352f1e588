//! pids.max of a cgroup, or of one of its ancestors: EAGAIN.
//!
//! kernel/cgroup/pids.c `pids_can_fork`: from the child's cgroup up to below
//! the root, the first that has no room refuses. Root is not exempt; tasks
//! that are moved in are never refused, so usage can exceed the limit. With
//! CLONE_INTO_CGROUP the target is charged.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{
            cgroup::{TASKS, binds, lasting},
            target,
        },
        limits, outside,
        page::{Page, check, myth, remedy, step},
        words::{fix, numbers, shell_word},
    },
    evidence::{CgroupLimit, Evidence, Sign, Stage},
    model::{Errno, Fix, Limit, LimitKind},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::PidsMax],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    // Of what cgroup_can_fork() asks, only the pids controller answers EAGAIN by
    // itself (the cpuset controller: ENODEV, ENOSPC, or what a security module says
    // of a child in another cpuset).
    if e.stage != Stage::Cgroups || e.errno != Errno::EAGAIN {
        return None;
    }
    let limit = e.pids_full.as_ref().map(limits::pids);
    match e.signs.pids_refused {
        Sign::Seen => Finding::observed(limit),
        Sign::NotSeen => None,
        Sign::Unwatched => Finding::inferred(limit),
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    // Which cgroup had no room is concluded from limits as they are now.
    let full = e.pids_full.as_ref().filter(|_| !e.pids_limits_changed);
    match e.pids_delta {
        // The controller counts each refusal before it answers: none, none.
        Some(0) => None,
        // The one that did may have no limit any more.
        Some(_) if e.pids_limits_changed && e.pids_unlimited_refused => Finding::inferred(None),
        // It refused, and whose room has come back since isn't known.
        Some(_) => Finding::inferred(refusing(e, full)),
        None => Finding::inferred(limits::pids(full?)),
    }
}

/// Tasks that may have come or gone between the refusal and the look at the numbers.
const RACE: u64 = 8;

/// Whose limit refused: the first that has no room, unless the limits' own counts of refusals (6.11+) say another.
/// Where several have refused before and are as near, the room of one can have come back while another filled up.
fn refusing(e: &Evidence, full: Option<&CgroupLimit>) -> Option<Limit> {
    let limited = || e.pids.iter().filter(|cgroup| cgroup.limit.is_some());
    if limited().any(|cgroup| cgroup.events.is_none()) {
        return full.map(limits::pids);
    }
    let is_full = |cgroup: &CgroupLimit| full.is_some_and(|full| full.id == cgroup.id);
    let is_near = |cgroup: &CgroupLimit| {
        let usage = cgroup.usage.saturating_add(RACE);
        cgroup.limit.is_some_and(|limit| usage >= limit)
    };
    let have_refused: Vec<_> = limited().filter(|c| c.events != Some(0)).collect();
    match &have_refused[..] {
        [only] if !is_full(only) => Some(Limit {
            value: None,
            usage: None,
            ..limits::pids(only)
        }),
        several => {
            let refused = several.iter().any(|cgroup| is_full(cgroup));
            let other = several.iter().any(|c| !is_full(c) && is_near(c));
            full.filter(|_| refused && !other).map(limits::pids)
        }
    }
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!(
            "{}pids.max of one of its cgroups is reached",
            subject.opening()
        );
    };
    let own = limit.owner.cgroup_path();
    let whose = if own.is_some() && own == subject.cgroup.path.as_deref() {
        "its cgroup"
    } else {
        "cgroup"
    };
    let allowed = if limit.usage.is_some() {
        format!("has {} that", numbers(limit))
    } else {
        "has as many tasks as".to_owned()
    };
    format!(
        "{}{whose} {} {allowed} its pids.max allows",
        subject.opening(),
        limit.owner
    )
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let Some(limit) = &v.limit else {
        return Vec::new();
    };
    let target = target::wanted(Some(limit), context);
    let file = limit.file.as_deref().and_then(shell_word);
    let now = file.and_then(|file| target.command(|n| format!("echo {n} > {file}")));
    let persistent = lasting(limit, &TASKS, target, context);
    let note = "it counts threads as well as processes, in the whole subtree".to_owned();
    let mut fixes = outside::fixes(limit, subject, context, fix(now, persistent, note));
    fixes.extend(binds(&limit.owner, &TASKS).map(|note| fix(None, None, note)));
    fixes
}

const PAGE: Page = Page {
    cause: Cause::CgroupPidsMax,
    known_as: &[
        "pids.max",
        "TasksMax",
        "DefaultTasksMax",
        "UserTasksMax",
        "podPidsLimit",
        "--pids-limit",
        "pids_limit",
        "PidsLimit",
        "limits.processes",
        "deploy.resources.limits.pids",
        "rc_cgroup_settings",
        "fork rejected by pids controller",
    ],
    errno: &["EAGAIN"],
    errno_note: None,
    scope: "the caller's cgroup, or one above it",
    summary: "a cgroup has as many tasks as its pids.max allows",
    about: &[
        "pids.max bounds the tasks in a cgroup and everything below it: processes, threads, \
         zombies. systemd sets it as TasksMax= of units and slices, container runtimes as the \
         pids limit, kubelet for each pod.",
        "Each cgroup on the way up is asked, and any of them can refuse: the slice above the \
         unit, the outer container, systemd's machine scope. Limits above a container are \
         invisible inside (/proc/self/cgroup shows `/`) and bind all the same. Who fills the \
         cgroup need not be who is refused.",
    ],
    checks: &[check(
        "kernel/cgroup/pids.c",
        "pids_can_fork",
        "5.10 to 7.3",
        "From the child's cgroup up to below the root: `++counter > limit` refuses. With \
         CLONE_INTO_CGROUP the target is asked, the caller's cgroup is not. v1 runs the same code.",
    )],
    exempt: "Tasks in the root cgroup. Root (uid 0) is not exempt. Moving a task in is never \
             refused, so more tasks than pids.max are possible.",
    confirm: &[
        step(
            "On the host, show use and limit of each cgroup on the way up (v2, and v1 where it has \
             the pids controller); the full one refuses.",
            &[
                "for d in $(awk -F: '$2 == \"\" {print \"/sys/fs/cgroup\" $3}",
                "    $2 == \"pids\" {print \"/sys/fs/cgroup/pids\" $3}' /proc/$PID/cgroup); do",
                "  while [ ${#d} -gt 14 ]; do",
                "    grep -sH . \"$d/pids.current\" \"$d/pids.max\"",
                "    d=${d%/*}",
                "  done",
                "done",
            ],
        ),
        step(
            "6.11+ with v2: `max` here counts the refusals by this cgroup's own limit. Before \
             6.11, and on v1, pids.events counts in the cgroup that forked.",
            &["cat $CG/pids.events.local"],
        ),
        step(
            "See who fills it, most threads first. Zombies count, but aren't listed.",
            &[
                "find $CG -name cgroup.procs -exec cat {} + |",
                "  xargs -r ps -o nlwp,pid,comm --sort=-nlwp -p | head",
            ],
        ),
    ],
    fix_now: &[
        step(
            "Raise it in the cgroup that refuses.",
            &["echo $N > $CG/pids.max"],
        ),
        step(
            "Or, where systemd owns that cgroup (a service, a scope, a slice):",
            &["systemctl set-property --runtime $UNIT TasksMax=$N"],
        ),
    ],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "A slice can refuse as well (`user-1000.slice`, `machine.slice`): name the unit whose \
             cgroup is full. DefaultTasksMax= in `/etc/systemd/system.conf` is for all others. Of what a \
             socket starts for each connection (`sshd@5-…`), a drop-in of `sshd@.service`.",
        )
        .run(&["systemctl set-property $UNIT TasksMax=$N"]),
        remedy(
            "logins",
            "A user's sessions share `user-UID.slice`, which has 33 % by systemd's own drop-in. For all \
             users, in `/etc/systemd/system/user-.slice.d/50-tasks.conf`; then `systemctl \
             daemon-reload`. Before systemd 239: UserTasksMax= in `/etc/systemd/logind.conf`.",
        )
        .lines(&["[Slice]", "TasksMax=66%"]),
        remedy(
            "container runtime",
            "Docker: as here, or `--pids-limit` when the container is started; in a Compose file \
             `pids_limit`, or `pids` of `deploy.resources.limits` where the service has these. Swarm: \
             `docker service update --limit-pids`. `podman \
             update` (4.3+) is the same; Podman has a default, `pids_limit` in containers.conf.",
        )
        .run(&["docker update --pids-limit $N $CONTAINER"]),
        remedy(
            "LXC, Incus",
            "Of a container with its own systemd, a unit inside can refuse as well. Without \
             Incus: `lxc.cgroup2.pids.max` in the container's configuration.",
        )
        .run(&["incus config set $CONTAINER limits.processes $N"]),
        remedy(
            "Kubernetes",
            "Of pods, in kubelet's configuration file; restart kubelet, and create the pods \
             again. Of a container alone, CRI-O's `pids_limit`. OpenShift: `podPidsLimit` in a \
             KubeletConfig. k3s, RKE2: `pod-max-pids=N` of `kubelet-arg` in their config.yaml. \
             Managed nodes have it from their node pool (GKE `podPidsLimit`, AKS `podMaxPids`).",
        )
        .lines(&["podPidsLimit: $N"]),
        remedy(
            "Nomad, ECS",
            "Nomad: `pids_limit` in `config` of a task of Docker's. ECS: `ECS_TASK_PIDS_LIMIT` in \
             `/etc/ecs/ecs.config` is for each task as a whole; a container's own is Docker's or \
             systemd's.",
        ),
        remedy(
            "OpenRC",
            "A service's cgroup is `/openrc.NAME`. A line in `rc_cgroup_settings` of \
             `/etc/conf.d/NAME`, for its next start.",
        )
        .lines(&["pids.max $N"]),
        remedy(
            "program",
            "If the tasks are zombies, the container's first process doesn't reap: give it an \
             init (`docker run --init`). If they are idle connections, a pooler is the fix.",
        ),
    ],
    folklore: &[
        myth(
            "The kernel log names the cgroup at its limit.",
            "`fork rejected by pids controller in X` names the cgroup that forked, and is printed \
             once for each.",
        ),
        myth(
            "ulimit or /proc/PID/limits shows TasksMax.",
            "They show RLIMIT_NPROC. pids.max is in the cgroup's files only.",
        ),
        myth(
            "Raising the unit's TasksMax is enough.",
            "The limit of a slice above, or of an outer container, stays.",
        ),
        myth(
            "pids.max counts processes.",
            "It counts threads too, in the whole subtree.",
        ),
    ],
    related: &[Cause::RlimitNproc, Cause::PidMax, Cause::ThreadsMax],
};
