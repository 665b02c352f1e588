//! An id that clone3's `set_tid` asked for is in use: EEXIST.
//!
//! kernel/pid.c `alloc_pid`. Checkpoint and restore ask for ids.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::IoToPid if asked(e) => Finding::observed(None),
        _ => None,
    },
    // Nothing else in a creation answers EEXIST, but for a security module.
    exhausted: |e| {
        if e.errno == Errno::EEXIST {
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
    e.errno == Errno::EEXIST && e.other_errnos.as_ref().is_some_and(|c| c.set_tid_size > 0)
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}the process id that it asked for (set_tid of clone3) is in use",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "restore into a pid namespace of its own".to_owned(),
        "threads, zombies, process groups and sessions hold ids as well".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::SetTidInUse,
    known_as: &["set_tid"],
    errno: &["EEXIST"],
    errno_note: None,
    scope: "a pid namespace",
    summary: "the process id that clone3 was asked for (set_tid) is in use",
    about: &[
        "`set_tid` of clone3 asks for one id or for one a pid namespace, the innermost first. One \
         that a task has, or that is held by a process group or session, is refused.",
    ],
    checks: &[check(
        "kernel/pid.c",
        "alloc_pid",
        "5.10 to 7.3",
        "`idr_alloc` of exactly this id finds it taken: ENOSPC, which becomes EEXIST.",
    )],
    exempt: "Nobody.",
    confirm: &[step(
        "See who has the id, as a process, thread, group or session.",
        &["ps -eLo pid,tid,pgid,sid,comm | grep -w $N"],
    )],
    fix_now: &[step(
        "Restore into a new pid namespace, where every id is free.",
        &[],
    )],
    fix_for_good: &[remedy(
        "CRIU, containers",
        "Restore containers with their own pid namespace, and kill what was left of the old one.",
    )],
    folklore: &[myth(
        "An id is free when no process has it.",
        "Threads have ids too, and a group or session keeps the id of its dead leader.",
    )],
    related: &[Cause::SetTidInvalid, Cause::CapCheckpointRestore],
};
