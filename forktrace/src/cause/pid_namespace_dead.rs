//! The pid namespace in which the child would live has lost its init
//! (`unshare --pid` without `--fork`; setns into a dying container), or (up to 6.18) its
//! first child was refused after it had its id: ENOMEM, for ever.
//!
//! kernel/pid.c `alloc_pid` (`PIDNS_ADDING`), and again under tasklist_lock in
//! kernel/fork.c. Fork-like calls only: CLONE_THREAD answers EINVAL earlier.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict, limits,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, PidNs, Stage},
    model::{Errno, Fix, Limit, LimitKind, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::PidNamespace],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || !matches!(e.stage, Stage::IoToPid | Stage::AfterCgroups) {
        return None;
    }
    let dead = e.dead_pid_ns()?;
    // Whatever refuses the first child of a namespace behind `alloc_pid` leaves it like this, too (kernel/pid.c
    // `free_pid`, up to 6.18): then it wasn't before.
    let by_itself = e.stage == Stage::AfterCgroups && dead.allocated == 0;
    if !by_itself {
        return Finding::observed(limit(dead));
    }
    // A BPF scheduler that refused may be gone again by the time that it is looked for.
    let scheduler = e.sched_ext.is_some();
    Finding::inferred((!scheduler).then(|| limit(dead))?)
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM {
        return None;
    }
    let dead = e.dead_pid_ns()?;
    // Memory is asked for before ids. Where it looks short and couldn't be looked at
    // more closely, either can be the one.
    let doubtful = !e.shares_vm
        && e.overcommit
            .as_ref()
            .is_some_and(|o| o.refuses_copy().is_none() && o.seems_to_refuse_copy());
    Finding::inferred((!doubtful).then(|| limit(dead))?)
}

fn limit(ns: &PidNs) -> Limit {
    Limit::new(LimitKind::PidNamespace, limits::pid_ns_owner(ns), Unit::Ids)
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let which = v.limit.as_ref().map_or_else(
        || "its pid namespace".to_owned(),
        |limit| limit.owner.to_string(),
    );
    format!(
        "{}{which}, where its children would live, has no init process",
        subject.opening()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, _: &Context) -> Vec<Fix> {
    let start_over = fix(
        None,
        "use `unshare --pid --fork`; enter the container again, or start a new one".to_owned(),
        format!(
            "it has nothing to do with memory, and no setting helps; compare /proc/{pid}/ns/pid with /proc/{pid}/ns/pid_for_children",
            pid = subject.caller.pid
        ),
    );
    vec![start_over, fix(None, None, FIRST_CHILD.to_owned())]
}

const FIRST_CHILD: &str = "its init has ended, or (Linux up to 6.18) its first child was refused, as pids.max refuses \
     (EAGAIN): then trying again gives this answer, and it takes a new namespace";

const PAGE: Page = Page {
    cause: Cause::PidNamespaceDead,
    known_as: &["pid namespace"],
    errno: &["ENOMEM"],
    errno_note: Some("A thread gets EINVAL instead, from an earlier check."),
    scope: "a pid namespace",
    summary: "the pid namespace for children has no init: no fork ever again",
    about: &[
        "When the first process (pid 1) of a pid namespace has ended, nothing can be created in \
         it any more. A process whose children would live there gets ENOMEM from each fork, \
         though memory has nothing to do with it.",
        "It comes from `unshare --pid` without `--fork` (the first child becomes the namespace's \
         init, and ends), and from entering a container that is just dying.",
        "Up to 6.18 a namespace whose first child is refused after it was given its id has no init \
         either, and never gets one. pids.max refuses so late, and a pidfd beyond RLIMIT_NOFILE: the \
         first fork answers EAGAIN or EMFILE, and a program that tries again gets ENOMEM from then \
         on, whatever has been raised. 7.3 lets it try again.",
    ],
    checks: &[
        check(
            "kernel/pid.c",
            "alloc_pid",
            "5.10 to 7.3",
            "PIDNS_ADDING isn't set in the namespace's `pid_allocated`. 7.3 looks at every level.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "The same once more under tasklist_lock, in case init ended meanwhile.",
        ),
    ],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "The two numbers differ: children would live in another namespace than the process.",
            &["readlink /proc/$PID/ns/pid /proc/$PID/ns/pid_for_children"],
        ),
        step(
            "0: no process lives in that other namespace. (As root on the host.)",
            &[
                "ns=$(readlink /proc/$PID/ns/pid_for_children)",
                "ls -l /proc/[0-9]*/ns/pid | grep -cF \"$ns\"",
            ],
        ),
    ],
    fix_now: &[step(
        "No setting helps. Start over, with an init that stays: unshare's own child, here a \
         shell. Or start the container again.",
        &["unshare --pid --fork --mount-proc sh"],
    )],
    fix_for_good: &[
        remedy(
            "script",
            "`unshare --pid` always with `--fork`; `--kill-child` ends the namespace with it.",
        ),
        remedy(
            "container",
            "Its pid 1 has to outlive what is started in it: run an init (`docker run --init`) \
             or keep the main program in the foreground.",
        ),
        remedy(
            "program",
            "When the first fork after `unshare(CLONE_NEWPID)` is refused, don't try again in the same \
             namespace: back to one's own, and unshare anew. A process that unshared or entered the namespace gets its own back with setns(2) on \
             a descriptor of its /proc/self/ns/pid.",
        ),
    ],
    folklore: &[
        myth(
            "`Cannot allocate memory` means that memory is short.",
            "Here it is the documented answer to a namespace without init.",
        ),
        myth(
            "unshare is broken: the first command works, the second can't fork.",
            "The first command was the namespace's init, and its end was the namespace's end.",
        ),
    ],
    related: &[Cause::Overcommit, Cause::CgroupMemoryMax, Cause::PidMax],
};
