//! Pid namespaces nest 32 deep; one more is refused with ENOSPC.
//!
//! kernel/pid_namespace.c `create_pid_namespace`: `level > MAX_PID_NS_LEVEL`.
//! It comes before the count of `user.max_pid_namespaces`.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, remedy, step},
        words::{fix, numbers},
    },
    evidence::{Evidence, NsKind, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::SighandToNamespaces => Finding::observed(too_deep(e)?),
        _ => None,
    },
    exhausted: |e| Finding::inferred(too_deep(e)?),
    fix: fixes,
    summary,
    limits: &[LimitKind::PidNamespaceLevels],
    ..Entry::of_creations(&PAGE)
};

/// MAX_PID_NS_LEVEL (include/linux/pid_namespace.h).
const DEEPEST: u32 = 32;

fn too_deep(e: &Evidence) -> Option<Limit> {
    let level = e.pid_ns.first()?.level;
    let asked = e.errno == Errno::ENOSPC && e.clone_flags & clone::NEWPID != 0;
    if !asked || level < DEEPEST {
        return None;
    }
    // Made before it: what is full there refused first.
    let c = e.other_errnos.as_ref()?;
    let before = |kind| matches!(kind, NsKind::Mnt | NsKind::Uts | NsKind::Ipc);
    if c.other_full.is_some_and(|full| before(full.kind)) {
        return None;
    }
    Some(Limit {
        value: Some(u64::from(DEEPEST)),
        usage: Some(u64::from(level)),
        requested: Some(1),
        ..Limit::new(LimitKind::PidNamespaceLevels, Owner::Process, Unit::Levels)
    })
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let depth = v.limit.as_ref().map(numbers).unwrap_or_default();
    format!(
        "{}its pid namespace is nested as deep as the kernel allows ({depth})",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "create the pid namespace from one that is less deep".to_owned(),
        "the kernel's bound is fixed; each container within a container adds a level".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::PidNamespaceLevel,
    known_as: &["nesting of pid namespaces"],
    errno: &["ENOSPC"],
    errno_note: None,
    scope: "no setting: the process",
    summary: "pid namespaces nest no deeper than 32 levels",
    about: &[
        "A task has an id in its pid namespace and in every one above, and the kernel keeps room \
         for 32 levels below the host's. CLONE_NEWPID at the deepest is refused, whoever asks.",
    ],
    checks: &[check(
        "kernel/pid_namespace.c",
        "create_pid_namespace",
        "5.10 to 7.3",
        "The new namespace's level would be above MAX_PID_NS_LEVEL (32).",
    )],
    exempt: "Nobody.",
    confirm: &[step(
        "One id a level: 33 of them are the deepest.",
        &["grep NSpid /proc/$PID/status | wc -w"],
    )],
    fix_now: &[step(
        "Start the program from outside the innermost containers.",
        &[],
    )],
    fix_for_good: &[remedy(
        "program",
        "Don't nest: reuse the pid namespace that there is.",
    )],
    folklore: &[],
    related: &[Cause::MaxNamespaces, Cause::UserNamespaceLevel],
};
