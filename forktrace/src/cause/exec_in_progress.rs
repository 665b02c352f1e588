//! Another thread of the process is in execve, and CLONE_FS was asked for.
//!
//! kernel/fork.c `copy_fs`: `fs->in_exec`. Passes when the execve ends.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN || e.stage != Stage::SecurityToFs {
        return None;
    }
    match e.signs.security_passed {
        // Of what follows the security modules up to here, only `copy_fs` answers
        // EAGAIN, and for this alone.
        Sign::Seen => Finding::observed(None),
        Sign::NotSeen => None,
        Sign::Unwatched if e.in_exec => Finding::inferred(None),
        Sign::Unwatched => None,
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.in_exec {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}a task that shares its file-system state (another thread) is in execve",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "don't call execve from one thread while others create threads; or try again".to_owned(),
        "it passes by itself when the execve ends".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::ExecInProgress,
    known_as: &[],
    errno: &["EAGAIN"],
    errno_note: None,
    scope: "no limit: the process",
    summary: "another thread of the process is in execve just now",
    about: &[
        "Threads share their root and working directory (CLONE_FS). While one of them is in \
         execve, the kernel refuses to create another task that shares these. It passes when the \
         execve ends: with success the other threads are gone, else one can try again.",
    ],
    checks: &[check(
        "kernel/fork.c",
        "copy_fs",
        "5.10 to 7.3",
        "CLONE_FS (every thread has it) while `fs->in_exec` is set: from `check_unsafe_exec` to \
         the end of execve.",
    )],
    exempt: "Creations without CLONE_FS: fork, vfork, posix_spawn. Root is not exempt.",
    confirm: &[step(
        "See a thread's clone fail while the execve of another is unfinished.",
        &["strace -f -tt -e trace=clone,clone3,execve,execveat -p $PID"],
    )],
    fix_now: &[step(
        "Try again: it lasts as long as one execve, longer on a slow disk or network file system.",
        &[],
    )],
    fix_for_good: &[remedy(
        "program",
        "Don't call execve in a process whose other threads create threads: use posix_spawn, or \
         fork and execve in the child.",
    )],
    folklore: &[myth(
        "EAGAIN from clone is always a limit.",
        "This one has no number. The manual pages' lists of reasons for EAGAIN leave it out.",
    )],
    related: &[Cause::SchedDeadline, Cause::RlimitNproc],
};
