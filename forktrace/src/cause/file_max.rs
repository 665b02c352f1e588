//! The pidfd that CLONE_PIDFD asks for is one open file too many for the host:
//! ENFILE.
//!
//! fs/file_table.c `alloc_empty_file`, in kernel/fork.c `pidfd_prepare` (5.10:
//! fs/anon_inodes.c `anon_inode_getfile`). CAP_SYS_ADMIN in the initial user
//! namespace exempts. ENFILE at this stage has no other source.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::target,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::IoToPid if asked(e) => Finding::observed(limit(e)),
        _ => None,
    },
    // Of what answers ENFILE (a new network namespace's sockets could) a table
    // that is full shows this one.
    exhausted: |e| match limit(e) {
        Some(limit) if asked(e) => Finding::inferred(limit),
        _ => None,
    },
    fix: fixes,
    summary,
    limits: &[LimitKind::FileMax],
    ..Entry::of_creations(&PAGE)
};

fn asked(e: &Evidence) -> bool {
    e.errno == Errno::ENFILE && e.clone_flags & clone::PIDFD != 0
}

/// With the numbers of a moment later; where they would refuse nobody (somebody
/// has closed files, or raised the limit), none are named.
fn limit(e: &Evidence) -> Option<Limit> {
    let files = e.other_errnos.as_ref()?.open_files?;
    (files.now >= files.max).then(|| Limit {
        value: Some(files.max),
        usage: Some(files.now),
        requested: Some(1),
        file: Some("/proc/sys/fs/file-max".to_owned()),
        ..Limit::new(LimitKind::FileMax, Owner::Host, Unit::Files)
    })
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let numbers = match v.limit.as_ref().map(|l| (l.usage, l.value)) {
        Some((Some(usage), Some(value))) => format!(" ({usage} of {value} open files)"),
        _ => String::new(),
    };
    format!(
        "{}its pidfd would be one open file more than fs.file-max allows the host{numbers}",
        subject.opening()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = target::tasks(v.limit.as_ref(), context);
    let set = context.sysctl.as_ref().map(|set| &set.file);
    let file = set.map_or_else(
        || "/etc/sysctl.d/".to_owned(),
        |file| file.display().to_string(),
    );
    vec![fix(
        target.command(|n| format!("sysctl -w fs.file-max={n}")),
        format!("remove fs.file-max from {file}: the kernel's default is out of reach"),
        "somebody holds very many files open, or lowered the limit; open fails for everybody else, too"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::FileMax,
    known_as: &["fs.file-max"],
    errno: &["ENFILE"],
    errno_note: None,
    scope: "the host",
    summary: "the pidfd that was asked for is one open file too many for the host",
    about: &[
        "With CLONE_PIDFD the creation also opens a file. The host may have `fs.file-max` files \
         open, those of all processes together; beyond it whoever lacks CAP_SYS_ADMIN is refused. \
         The kernel sets it by the size of RAM, and systemd to the largest number there is: a low \
         one was set by somebody.",
        "A fork without CLONE_PIDFD opens nothing.",
    ],
    checks: &[
        check(
            "fs/file_table.c",
            "alloc_empty_file",
            "5.10 to 7.3",
            "Open files against `fs.file-max`, counted exactly only when they seem too many.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "CLONE_PIDFD, after the child has got its id.",
        ),
    ],
    exempt: "CAP_SYS_ADMIN in the initial user namespace.",
    confirm: &[
        step(
            "Compare the first number, files that are open, with the third, the limit.",
            &["cat /proc/sys/fs/file-nr"],
        ),
        step(
            "See who has most of them open.",
            &["for d in /proc/[0-9]*/fd; do echo $(ls $d | wc -l) $d; done | sort -n"],
        ),
    ],
    fix_now: &[step("Raise it.", &["sysctl -w fs.file-max=$N"])],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "On the host: as systemd sets it, which is no limit at all.",
        )
        .lines(&["fs.file-max = 9223372036854775807"]),
        remedy("program", "Look for files that are never closed."),
    ],
    folklore: &[myth(
        "`Too many open files in system` concerns open and socket alone.",
        "A pidfd is an open file: systemd, Go, Rust and glibc's pidfd_spawn ask for one with the \
         child.",
    )],
    related: &[Cause::RlimitNofile, Cause::NrOpen],
};
