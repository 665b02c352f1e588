//! The caller was being killed. forktrace counts it and reports no failure,
//! unless all errnos are asked for: nobody sees the errno.
//!
//! kernel/fork.c `dup_mmap` (a fatal signal while it waits), and
//! `copy_process` under tasklist_lock (`fatal_signal_pending`).

use super::{
    Cause, Context, Entry, Finding, Subject, Verdict,
    page::{Page, check, myth, remedy, step},
    words::fix,
};
use crate::model::Fix;

pub(super) const ENTRY: Entry = Entry {
    seen: |e| {
        if e.dying {
            Finding::observed(None)
        } else {
            None
        }
    },
    // The signal is pending, and these errnos follow from it.
    exhausted: |e| {
        if e.dying {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    caller_killed: true,
    ..Entry::of_creations(&PAGE)
};

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}it was being killed, and never heard of it",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        None,
        "no failure of the fork: if the kill is unwanted, look for who sent it (dmesg, the journal)"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::FatalSignal,
    known_as: &["SIGKILL"],
    errno: &["ENOMEM", "EINTR"],
    errno_note: Some("Seen by tracers only: the caller dies before its call returns."),
    scope: "no limit: the caller is dying",
    summary: "the caller was being killed; its fork was cut short, and nobody was refused",
    about: &[
        "A SIGKILL arrives while fork copies the address space. The kernel gives the copy up and \
         returns an errno that the caller never sees, because it dies on the way back. strace, \
         bpftrace and audit see it and show a fork that failed.",
        "The signal comes from kill, from systemd stopping a unit, from `cgroup.kill`, or from \
         the OOM killer. forktrace doesn't report these as failures, except with `--errno all`; its last record \
         counts them.",
    ],
    checks: &[
        check(
            "kernel/fork.c",
            "dup_mmap",
            "5.10 to 6.18",
            "EINTR inside, which `copy_mm` turns into ENOMEM. 7.3 keeps EINTR.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "`fatal_signal_pending` just before the child would appear: EINTR.",
        ),
    ],
    exempt: "Nobody.",
    confirm: &[
        step(
            "Was it the OOM killer? The line names the process and the cgroup.",
            &["dmesg -T | grep -E 'Killed process|oom-kill'"],
        ),
        step(
            "Was it systemd? `Result` and the journal say so.",
            &[
                "systemctl show -p Result -p ExecMainStatus $UNIT",
                "journalctl -u $UNIT -n 20 --no-pager",
            ],
        ),
    ],
    fix_now: &[step(
        "Nothing to do about the fork. If the kill itself is unwanted, look after whoever sent \
         it.",
        &[],
    )],
    fix_for_good: &[remedy(
        "memory",
        "Where it was the OOM killer: more memory, a higher memory.max, or fewer processes.",
    )],
    folklore: &[myth(
        "A trace that shows fork returning ENOMEM shows a lack of memory.",
        "Up to 6.18 that is also how a fork ends whose caller is killed, for any reason.",
    )],
    related: &[Cause::KernelMemory, Cause::CgroupMemoryMax],
};
