//! The caller's open files can't be copied, because a table as large as the
//! highest descriptor needs is above fs.nr_open: EMFILE.
//!
//! fs/file.c `dup_fd`, `alloc_fdtable`, in kernel/fork.c `copy_files`. Happens
//! only where fs.nr_open was lowered below what is open. CLONE_FILES (threads)
//! copies nothing.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{sysctl, target},
        page::{Page, check, myth, remedy, step},
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::SecurityToFs | Stage::SecurityToFiles => Finding::observed(too_high(e)?),
        _ => None,
    },
    exhausted: |e| Finding::inferred(too_high(e)?),
    fix: fixes,
    summary,
    limits: &[LimitKind::NrOpen],
    ..Entry::of_creations(&PAGE)
};

fn too_high(e: &Evidence) -> Option<Limit> {
    if e.errno != Errno::EMFILE || e.clone_flags & clone::FILES != 0 {
        return None;
    }
    let c = e.other_errnos.as_ref()?;
    let nr_open = c.nr_open?;
    // The highest descriptor lies within the caller's own table.
    (c.fd_slots > nr_open).then(|| Limit {
        value: Some(nr_open),
        file: Some("/proc/sys/fs/nr_open".to_owned()),
        ..Limit::new(LimitKind::NrOpen, Owner::Host, Unit::Descriptors)
    })
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let value = v.limit.as_ref().and_then(|l| l.value).unwrap_or(0);
    format!(
        "{}it has a file descriptor open that is above fs.nr_open, {value}, so that its open files can't be copied",
        subject.opening()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    // fs/file.c: the kernel's own.
    let target = target::tasks(v.limit.as_ref(), context).within(1_048_576, u64::MAX);
    let now = target.command(|n| format!("sysctl -w fs.nr_open={n}"));
    let note =
        "it was lowered while descriptors above it were open; the program can also close these";
    sysctl::fixes("fs.nr_open", target, now, note.to_owned(), context)
}

const PAGE: Page = Page {
    cause: Cause::NrOpen,
    known_as: &["fs.nr_open"],
    errno: &["EMFILE"],
    errno_note: None,
    scope: "the host",
    summary: "a descriptor above fs.nr_open is open, so the files can't be copied",
    about: &[
        "fork copies the table of open files, as large as the highest open descriptor needs. No \
         table may be larger than `fs.nr_open`. When it was lowered after a high descriptor was \
         opened, every fork of that process answers EMFILE.",
        "Threads share the table and are not refused.",
    ],
    checks: &[check(
        "fs/file.c",
        "dup_fd",
        "5.10 to 7.3",
        "The slots that the highest open descriptor needs, in steps of 64, against fs.nr_open.",
    )],
    exempt: "Nobody, not even root.",
    confirm: &[step(
        "Compare the setting with the highest descriptor that is open.",
        &[
            "sysctl fs.nr_open",
            "ls /proc/$PID/fd | sort -n | tail -n 1",
        ],
    )],
    fix_now: &[step(
        "Raise it again: the kernel's own is 1048576, and systemd raises it much further.",
        &["sysctl -w fs.nr_open=$N"],
    )],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "Remove the line that lowers it; without one it is what it was at boot.",
        ),
        remedy(
            "program",
            "Use low descriptors: dup2 to a high one needs a large table.",
        ),
    ],
    folklore: &[myth(
        "`Too many open files` means that many files are open.",
        "One high descriptor is enough here.",
    )],
    related: &[Cause::RlimitNofile],
};
