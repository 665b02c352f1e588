//! No file descriptor is free for the pidfd that CLONE_PIDFD asks for: EMFILE.
//!
//! kernel/fork.c `pidfd_prepare`, fs/file.c `alloc_fd`: the lowest free
//! descriptor is not below RLIMIT_NOFILE. Nobody is exempt.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{nproc, prlimit, target},
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Certainty, Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::IoToPid => refused(e),
        _ => None,
    },
    exhausted: |e| {
        refused(e).map(|found| Finding {
            certainty: Certainty::Inferred,
            ..found
        })
    },
    fix: fixes,
    summary,
    limits: &[LimitKind::RlimitNofile],
    ..Entry::of_creations(&PAGE)
};

fn refused(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EMFILE || e.clone_flags & clone::PIDFD == 0 {
        return None;
    }
    let c = e.other_errnos.as_ref()?;
    let value = c.nofile?;
    // EMFILE says that no descriptor below it is free: all of them are in use.
    let limit = Limit {
        value: Some(value),
        usage: Some(value),
        requested: Some(1),
        ..Limit::new(LimitKind::RlimitNofile, Owner::Process, Unit::Descriptors)
    };
    // Above fs.nr_open the table itself can't grow, with the same errno.
    match c.nr_open {
        Some(nr_open) if nr_open >= value => Finding::observed(limit),
        _ => Finding::inferred(limit),
    }
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let value = v.limit.as_ref().and_then(|l| l.value).unwrap_or(0);
    format!(
        "{}its pidfd found no free file descriptor below RLIMIT_NOFILE, {value}",
        subject.opening()
    )
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = target::tasks(v.limit.as_ref(), context);
    let process = context.sources.process();
    let hard = process.map(|p| p.bounds.hard);
    let persistent = nproc::edit_unit(subject, "LimitNOFILE", target, hard, &context.sources)
        .unwrap_or_else(|| format!("raise `ulimit -n` to {target} where it is started"));
    vec![fix(
        target
            .number()
            .and_then(|target| prlimit::command(process, "nofile", target)),
        persistent,
        "look for descriptors that are never closed before raising it".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::RlimitNofile,
    known_as: &[
        "RLIMIT_NOFILE",
        "ulimit -n",
        "LimitNOFILE",
        "nofile",
        "Max open files",
    ],
    errno: &["EMFILE"],
    errno_note: None,
    scope: "the process",
    summary: "no file descriptor is free for the pidfd that was asked for",
    about: &[
        "With CLONE_PIDFD the creation also opens a file descriptor for the child. When all \
         descriptors below RLIMIT_NOFILE are in use, the whole creation is refused. Runtimes that \
         start processes by pidfd meet it: systemd, Go (1.23+), Rust, glibc's pidfd_spawn.",
        "A fork without CLONE_PIDFD needs no descriptor, however many are open.",
    ],
    checks: &[
        check(
            "fs/file.c",
            "alloc_fd",
            "5.10 to 7.3",
            "The lowest free descriptor is not below the soft RLIMIT_NOFILE.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "CLONE_PIDFD, after the child has got its id.",
        ),
    ],
    exempt: "Nobody, not even root.",
    confirm: &[step(
        "Compare the limit with what is open.",
        &[
            "grep 'open files' /proc/$PID/limits",
            "ls /proc/$PID/fd | wc -l",
        ],
    )],
    fix_now: &[step(
        "Raise it for the running process; the colon leaves the hard limit, which bounds it.",
        &["prlimit --pid $PID --nofile=$N:"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "In a drop-in; one number alone would be the hard limit as well, which systemd has at \
             524288.",
        )
        .lines(&["[Service]", "LimitNOFILE=$N:524288"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-nofile.conf`, for logins (PAM) only.",
        )
        .lines(&["alice soft nofile $N"]),
        remedy(
            "containers, Kubernetes",
            "Docker and Podman: `--ulimit nofile=$N:$N`. A pod has no field for it: \
             LimitNOFILE= of the node's runtime, or `default_ulimits` of CRI-O.",
        ),
        remedy(
            "program",
            "Close what is not needed; O_CLOEXEC doesn't help here.",
        ),
    ],
    folklore: &[myth(
        "Creating a process never needs a file descriptor.",
        "It does with CLONE_PIDFD.",
    )],
    related: &[Cause::NrOpen],
};
