//! A seccomp filter answered in the system call's place.
//!
//! The tracepoint style sees a return without an entry: entry order is ptrace,
//! seccomp, enter tracepoint (kernel/entry/common.c
//! `syscall_trace_enter`). The creation code never ran, so the function
//! styles see nothing of it, unless `--seccomp` has them look at what the filter
//! answers (kernel/seccomp.c `__seccomp_filter`).

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::Fix,
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted: |_| None,
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    match e.stage {
        Stage::Filtered => Finding::observed(None),
        // A tracer can skip a call too, hence inferred.
        Stage::NotEntered => Finding::inferred(None),
        _ => None,
    }
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}a seccomp filter answered {} before the kernel tried",
        subject.opening(),
        subject.errno.name()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "allow clone, clone3, fork and vfork in the filter (systemd SystemCallFilter=, the container's seccomp profile)".to_owned(),
        format!("grep Seccomp /proc/{}/status shows 2 for a filter", subject.caller.pid),
    )]
}

const PAGE: Page = Page {
    cause: Cause::Seccomp,
    known_as: &["SystemCallFilter", "RestrictNamespaces"],
    errno: &["any"],
    errno_note: Some("The filter chooses it (SECCOMP_RET_ERRNO); EPERM is common."),
    scope: "no limit: the process's filter",
    summary: "a seccomp filter answered before the kernel tried to create anything",
    about: &[
        "A seccomp filter can answer a system call with an errno. The creation code then never \
         runs, and no limit is looked at. Filters come from container runtimes, from systemd \
         (SystemCallFilter=, RestrictNamespaces=), and from programs that confine themselves. \
         They are inherited, and can't be taken off.",
        "Common: a filter that is older than clone3 answers EPERM to it. glibc falls back to \
         clone on ENOSYS only, so pthread_create fails with EPERM.",
    ],
    checks: &[
        check(
            "kernel/seccomp.c",
            "__secure_computing",
            "5.10 to 6.18",
            "On entry to the system call, after ptrace and before the sys_enter tracepoint.",
        ),
        check(
            "kernel/seccomp.c",
            "__seccomp_permit_syscall",
            "7.3",
            "The same, renamed.",
        ),
    ],
    exempt: "Processes without a filter. Root with a filter is not exempt.",
    confirm: &[
        step(
            "2 is a filter, 0 is none.",
            &["grep -w Seccomp /proc/$PID/status"],
        ),
        step(
            "See it answered, with --seccomp where forktrace attaches to functions: without, the \
             filter's answer is seen in the style tracepoint only.",
            &["forktrace live --seccomp"],
        ),
        step(
            "See which call is answered how, and compare with a process that has no filter.",
            &["strace -f -e trace=clone,clone3,fork,vfork -p $PID"],
        ),
        step(
            "See whose filter it is.",
            &[
                "systemctl show -p SystemCallFilter -p RestrictNamespaces $UNIT",
                "docker inspect --format '{{.HostConfig.SecurityOpt}}' $CONTAINER",
            ],
        ),
    ],
    fix_now: &[step(
        "To be sure: start it once without the filter, for a test only, with \
         `docker run --security-opt seccomp=unconfined`.",
        &[],
    )],
    fix_for_good: &[
        remedy(
            "container runtime",
            "Allow clone, clone3, fork and vfork in the profile, or answer ENOSYS to clone3; a \
             newer runtime brings a newer default profile.",
        ),
        remedy(
            "systemd unit",
            "If the unit has a filter: `systemctl edit` it, then restart it. This adds the calls \
             that create tasks to the unit's list.",
        )
        .lines(&["[Service]", "SystemCallFilter=@process"]),
        remedy(
            "Kubernetes",
            "`securityContext.seccompProfile` of the pod or container: RuntimeDefault, or a \
             Localhost profile that allows them.",
        ),
    ],
    folklore: &[myth(
        "A fork that fails with EAGAIN or ENOMEM was refused by a limit.",
        "A filter may answer these too. The kernel's entry tracepoint then shows nothing, the \
         exit one does.",
    )],
    related: &[Cause::Lsm],
};
