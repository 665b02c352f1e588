//! User namespaces nest 33 deep; one more is refused with ENOSPC.
//!
//! kernel/user_namespace.c `create_user_ns`: the parent's `level > 32`.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, remedy, step},
        words::{fix, numbers},
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::Early => Finding::observed(too_deep(e)?),
        _ => None,
    },
    exhausted: |e| Finding::inferred(too_deep(e)?),
    fix: fixes,
    summary,
    limits: &[LimitKind::UserNamespaceLevels],
    ..Entry::of_creations(&PAGE)
};

/// The deepest level that a user namespace can have.
const DEEPEST: u32 = 33;

fn too_deep(e: &Evidence) -> Option<Limit> {
    let level = e.other_errnos.as_ref()?.user_ns_level;
    let asked = e.errno == Errno::ENOSPC && e.clone_flags & clone::NEWUSER != 0;
    (asked && level >= DEEPEST).then(|| Limit {
        value: Some(u64::from(DEEPEST)),
        usage: Some(u64::from(level)),
        requested: Some(1),
        ..Limit::new(LimitKind::UserNamespaceLevels, Owner::Process, Unit::Levels)
    })
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let depth = v.limit.as_ref().map(numbers).unwrap_or_default();
    format!(
        "{}its user namespace is nested as deep as the kernel allows ({depth})",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "create the user namespace from one that is less deep".to_owned(),
        "the kernel's bound is fixed; sandboxes within sandboxes add a level each".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::UserNamespaceLevel,
    known_as: &["nesting of user namespaces"],
    errno: &["ENOSPC"],
    errno_note: None,
    scope: "no setting: the process",
    summary: "user namespaces nest no deeper than 33 levels",
    about: &[
        "A user namespace made inside another is one level deeper. The kernel refuses one below \
         level 33, whoever asks. A program that enters a new user namespace each time it starts \
         itself again gets there.",
    ],
    checks: &[check(
        "kernel/user_namespace.c",
        "create_user_ns",
        "5.10 to 7.3",
        "The level of the caller's user namespace is above 32.",
    )],
    exempt: "Nobody.",
    confirm: &[step(
        "The chain of user namespaces, each with its parent.",
        &["lsns -t user -o NS,PNS,ONS,PID,COMMAND"],
    )],
    fix_now: &[step(
        "Start the program from outside the innermost namespaces.",
        &[],
    )],
    fix_for_good: &[remedy(
        "program",
        "Don't nest: reuse the user namespace that there is.",
    )],
    folklore: &[],
    related: &[Cause::MaxNamespaces, Cause::PidNamespaceLevel],
};
