//! New namespaces without CAP_SYS_ADMIN: EPERM.
//!
//! kernel/nsproxy.c `copy_namespaces`: `ns_capable(user_ns, CAP_SYS_ADMIN)` of
//! the child's user namespace, for every kind but CLONE_NEWUSER, whose maker
//! has all capabilities in it.

use forktrace_common::clone;

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
        Stage::SighandToNamespaces if lacks(e) => Finding::observed(None),
        _ => None,
    },
    exhausted: |e| {
        if lacks(e) {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

const OTHERS: u64 = clone::NEWTIME
    | clone::NEWNS
    | clone::NEWCGROUP
    | clone::NEWUTS
    | clone::NEWIPC
    | clone::NEWPID
    | clone::NEWNET;

fn lacks(e: &Evidence) -> bool {
    e.errno == Errno::EPERM
        && e.clone_flags & OTHERS != 0
        && e.clone_flags & clone::NEWUSER == 0
        && e.other_errnos.as_ref().is_some_and(|c| !c.own_sys_admin)
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}it asked for new namespaces and has no CAP_SYS_ADMIN in its user namespace",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "ask for CLONE_NEWUSER in the same call, or run it with CAP_SYS_ADMIN (AmbientCapabilities= in a unit, --cap-add for a container)"
            .to_owned(),
        "CAP_SYS_ADMIN is nearly root; a user namespace of its own is the smaller gift".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::CapSysAdmin,
    known_as: &["CAP_SYS_ADMIN"],
    errno: &["EPERM"],
    errno_note: None,
    scope: "no limit: the caller's capabilities",
    summary: "new namespaces were asked for without CAP_SYS_ADMIN",
    about: &[
        "A namespace of any kind but user needs CAP_SYS_ADMIN in the user namespace that will own \
         it. CLONE_NEWUSER in the same call gives a new user namespace with all capabilities, so \
         it needs none: that is how unprivileged sandboxes work.",
        "Root of a container has the capability only where the container was given it, or where \
         it has a user namespace of its own.",
    ],
    checks: &[check(
        "kernel/nsproxy.c",
        "copy_namespaces",
        "5.10 to 7.3",
        "`ns_capable` for CAP_SYS_ADMIN in the child's user namespace.",
    )],
    exempt: "Nobody; with CLONE_NEWUSER the new user namespace has the capability.",
    confirm: &[step(
        "The capabilities: bit 21 of CapEff is CAP_SYS_ADMIN.",
        &["grep CapEff /proc/$PID/status", "getpcaps $PID"],
    )],
    fix_now: &[step(
        "Ask for a user namespace as well.",
        &["unshare --user --map-root-user --pid --fork true"],
    )],
    fix_for_good: &[
        remedy("systemd unit", "Grant the capability in a drop-in.")
            .lines(&["[Service]", "AmbientCapabilities=CAP_SYS_ADMIN"]),
        remedy(
            "containers",
            "`--cap-add SYS_ADMIN`, or a rootless runtime.",
        ),
    ],
    folklore: &[myth(
        "uid 0 is enough.",
        "The capability counts; most containers' root lacks it.",
    )],
    related: &[Cause::UnprivilegedUserns, Cause::MaxNamespaces, Cause::Lsm],
};
