//! Ids that clone3's `set_tid` can't ask for: EINVAL.
//!
//! kernel/pid.c `alloc_pid`: more ids than there are pid namespaces; an id
//! below 1 or not below pid_max; another first id than 1 in a new namespace.
//! clone3 itself refuses more than 32 ids before.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        // Nothing else from copy_io to the pidfd answers EINVAL.
        Stage::IoToPid if asked(e) => Finding::observed(None),
        _ => None,
    },
    exhausted: |e| {
        if impossible(e) {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn asked(e: &Evidence) -> bool {
    e.errno == Errno::EINVAL && e.other_errnos.as_ref().is_some_and(|c| c.set_tid_size > 0)
}

/// By the numbers alone.
fn impossible(e: &Evidence) -> bool {
    let Some(c) = e.other_errnos.as_ref().filter(|_| asked(e)) else {
        return false;
    };
    let out_of_range = c.set_tid.iter().zip(&e.pid_ns).any(|(&tid, ns)| {
        let above = |max| u64::try_from(tid).is_ok_and(|tid| tid >= max);
        tid < 1 || ns.pid_max.is_some_and(above)
    });
    out_of_range || c.set_tid_size > e.pid_ns.len()
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}the process ids that it asked for (set_tid of clone3) are not possible",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "ask for ids from 1 to below kernel.pid_max, at most one for each pid namespace from the child's up"
            .to_owned(),
        "the first process of a pid namespace has to have id 1".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::SetTidInvalid,
    known_as: &["set_tid"],
    errno: &["EINVAL"],
    errno_note: None,
    scope: "no limit: the call's arguments",
    summary: "the process ids that clone3 was asked for (set_tid) are not possible",
    about: &[
        "`set_tid` of clone3 asks for one id a pid namespace, the innermost first. The kernel \
         refuses more ids than there are namespaces, an id below 1 or not below pid_max (6.14+: \
         that of the namespace), and any but 1 for the first process of a namespace.",
    ],
    checks: &[check(
        "kernel/pid.c",
        "alloc_pid",
        "5.10 to 7.3",
        "The number of ids, each id's range, and the namespace's init.",
    )],
    exempt: "Nobody.",
    confirm: &[
        step(
            "The ids in the call that fails.",
            &["strace -f -e trace=clone3 -p $PID"],
        ),
        step(
            "The bound.",
            &["nsenter -t $PID -p cat /proc/sys/kernel/pid_max"],
        ),
    ],
    fix_now: &[step(
        "Raise pid_max where the id was had on a host with a higher one.",
        &["sysctl -w kernel.pid_max=4194304"],
    )],
    fix_for_good: &[remedy(
        "CRIU, containers",
        "Give the hosts between which processes are moved the same kernel.pid_max.",
    )],
    folklore: &[],
    related: &[Cause::SetTidInUse, Cause::PidMax, Cause::CloneFlags],
};
