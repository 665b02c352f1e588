//! No process id is free in one of the pid namespaces that the child needs one
//! in: EAGAIN (since 4.1; never ENOMEM, as folklore has it).
//!
//! kernel/pid.c `alloc_pid`. One global kernel.pid_max up to 6.13, one for
//! each pid namespace since 6.14. The first 300 ids are not used again once
//! the numbers have wrapped round. Threads, zombies and the ids of dead
//! session and group leaders hold ids as well. Nobody is exempt.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{sysctl, target},
        limits,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix, LimitKind, Owner},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::PidMax],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN || e.stage != Stage::IoToPid || !e.ids_can_have_run_out() {
        return None;
    }
    if let Some(ns) = e.full_pid_ns() {
        return Finding::observed(limits::pid_max(ns));
    }
    // Between copy_io and alloc_pid only "no id is free" answers EAGAIN, and a
    // security module to the file of a pidfd. Ids may have come back by now: then
    // whose they were is known where there is one namespace.
    if e.clone_flags & clone::PIDFD != 0 {
        return Finding::inferred(None);
    }
    match &e.pid_ns[..] {
        [ns] => Finding::observed(limits::pid_max(ns)),
        _ => Finding::observed(None),
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    Finding::inferred(limits::pid_max(e.full_pid_ns()?))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}no process id is free", subject.opening());
    };
    let whose = match &limit.owner {
        Owner::Host => "the host".to_owned(),
        owner => owner.to_string(),
    };
    match (limit.usage, limit.usable, limit.value) {
        (Some(usage), Some(usable), Some(value)) => format!(
            "{}{whose} has no process id left: {usage} in use of {usable} usable (kernel.pid_max {value}, the first 300 are reserved)",
            subject.opening()
        ),
        _ => format!("{}{whose} has no process id left", subject.opening()),
    }
}

const KEY: &str = "kernel.pid_max";

/// The kernel's own ceiling on 64 bits (include/linux/threads.h `PID_MAX_LIMIT`).
const HIGHEST: u64 = 4_194_304;

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let owner = v.limit.as_ref().map(|limit| &limit.owner);
    let value = v.limit.as_ref().and_then(|l| l.value).unwrap_or(0);
    let target = target::wanted(v.limit.as_ref(), context).within(32768, HIGHEST);
    let note =
        "threads and zombies hold ids as well; look for what fills it before raising it".to_owned();
    if value >= HIGHEST {
        let note = format!(
            "{HIGHEST} is the highest that the kernel takes: threads and zombies hold ids as well; \
             look for what fills it"
        );
        return vec![fix(None, None, note)];
    }
    let Some(owner) = owner else {
        // Which namespace's ids had run out isn't known, and so neither is where there are more.
        return vec![fix(None, None, note)];
    };
    if *owner != Owner::Host {
        // What enters it needs an id there; who is in it already can write.
        let now = target.command(|n| {
            format!(
                "{}, in a shell that runs inside that pid namespace already",
                sysctl::write(KEY, n)
            )
        });
        return vec![fix(now, None, note)];
    }
    let now = target.command(|n| sysctl::write(KEY, n));
    let mut fixes = sysctl::fixes(KEY, target, now, note, context);
    if context.in_pid_namespace {
        fixes.push(fix(
            None,
            None,
            "forktrace is in a pid namespace of its own: since Linux 6.14 kernel.pid_max reads \
             and sets this namespace's here; the host's is changed on the host"
                .to_owned(),
        ));
    }
    fixes
}

const PAGE: Page = Page {
    cause: Cause::PidMax,
    known_as: &["kernel.pid_max"],
    errno: &["EAGAIN"],
    errno_note: None,
    scope: "the host, or a pid ns (6.14+)",
    summary: "no process id is free below kernel.pid_max",
    about: &[
        "Each task needs an id in its pid namespace and in every one above. The ids below 300 are \
         not given out again once the numbers have wrapped round, so pid_max - 300 tasks fit.",
        "Threads hold ids, zombies hold them until they are reaped, and so does a dead leader of \
         a session or process group that still has members.",
        "Up to 6.13 there is one pid_max, whatever namespace it is written in. Since 6.14 each \
         pid namespace has its own: it starts at 4194304, and each level refuses by its own.",
    ],
    checks: &[check(
        "kernel/pid.c",
        "alloc_pid",
        "5.10 to 7.3",
        "No free id in one of the namespaces from the child's up to the host's: `idr_alloc_cyclic` \
         answers ENOSPC, which becomes EAGAIN. 6.14+: by `pid_max` of each namespace.",
    )],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "Compare the limit less 300 with the tasks that exist.",
            &["sysctl kernel.pid_max", "ps -eL --no-headers | wc -l"],
        ),
        step(
            "6.14+: read the limit in the process's own pid namespace too; the file answers for the \
             namespace of whoever reads it.",
            &["nsenter -t $PID -p cat /proc/sys/kernel/pid_max"],
        ),
        step(
            "See who has most: threads by process, zombies by the parent that should reap them.",
            &[
                "ps -eo nlwp,pid,user,comm --sort=-nlwp | head",
                "ps -eo stat,ppid | awk '/^Z/ {print $2}' | sort | uniq -c | sort -rn",
            ],
        ),
    ],
    fix_now: &[
        step(
            "Raise it; 4194304 is the highest on 64 bits. A shell does this without a process of its \
             own, which couldn't be had. 6.14+: in one that is inside the namespace that is full.",
            &["echo $N > /proc/sys/kernel/pid_max"],
        ),
        step(
            "Zombies can't be killed. Restart, or end, the parent that doesn't reap them.",
            &[],
        ),
    ],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "On the host. Of several files that set it the last by name counts. NixOS: \
             `boot.kernel.sysctl` in its configuration.",
        )
        .run(&[
            "echo 'kernel.pid_max = 4194304' > /etc/sysctl.d/90-pid-max.conf",
            "sysctl --system",
        ]),
        remedy(
            "containers, Kubernetes",
            "Give containers a pids limit (`--pids-limit`, kubelet's `podPidsLimit`), so that one \
             can't use up the node's ids; and an init that reaps (`docker run --init`).",
        ),
    ],
    folklore: &[
        myth(
            "At pid_max, fork says `Cannot allocate memory`.",
            "It says EAGAIN, `Resource temporarily unavailable`, since 4.1. ENOMEM points at \
             overcommit, a memory cgroup, or a dead pid namespace.",
        ),
        myth(
            "pid_max tasks fit.",
            "300 fewer: with pid_max at 340, 40 children were had.",
        ),
        myth(
            "It is enough to count processes.",
            "Each thread has an id. `ps -e` and pstree's lines don't show how full it is.",
        ),
    ],
    related: &[
        Cause::ThreadsMax,
        Cause::CgroupPidsMax,
        Cause::PidNamespaceDead,
    ],
};
