//! kernel.unprivileged_userns_clone is 0: CLONE_NEWUSER needs CAP_SYS_ADMIN in
//! the initial user namespace, else EPERM. A patch of Debian's and others'.
//!
//! kernel/fork.c `copy_process`, among its first checks. Of the other reasons for
//! EPERM at CLONE_NEWUSER, all in kernel/user_namespace.c `create_user_ns`, a
//! chroot is a cause of its own; an id without a mapping and a security module
//! stay unknown.

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
        Stage::Early if off(e) => Finding::observed(None),
        _ => None,
    },
    exhausted: |e| {
        if off(e) {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn off(e: &Evidence) -> bool {
    e.errno == Errno::EPERM
        && e.clone_flags & clone::NEWUSER != 0
        && e.other_errnos
            .as_ref()
            // In a nested user namespace a capability doesn't help.
            .is_some_and(|c| c.userns_clone_off && (!c.own_sys_admin || c.user_ns_level > 0))
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}kernel.unprivileged_userns_clone is 0, so that only privileged callers may create user namespaces",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        "sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        "/etc/sysctl.d/: kernel.unprivileged_userns_clone = 1".to_owned(),
        "somebody set it to 0 to keep users away from a part of the kernel with many flaws"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::UnprivilegedUserns,
    known_as: &["kernel.unprivileged_userns_clone"],
    errno: &["EPERM"],
    errno_note: None,
    scope: "the host",
    summary: "kernel.unprivileged_userns_clone forbids user namespaces to users",
    about: &[
        "Kernels of Debian and of some others have a switch that the kernel's own sources lack: \
         with `kernel.unprivileged_userns_clone` at 0 a user namespace needs CAP_SYS_ADMIN in the \
         initial one. Debian's default is 1 since version 11.",
    ],
    checks: &[check(
        "kernel/fork.c",
        "copy_process",
        "5.10 to 7.3, Debian",
        "CLONE_NEWUSER, the switch is 0, and no CAP_SYS_ADMIN in the initial user namespace.",
    )],
    exempt: "CAP_SYS_ADMIN in the initial user namespace.",
    confirm: &[step(
        "Read the switch; there may be none.",
        &["sysctl kernel.unprivileged_userns_clone"],
    )],
    fix_now: &[step(
        "Switch it on.",
        &["sysctl -w kernel.unprivileged_userns_clone=1"],
    )],
    fix_for_good: &[
        remedy("sysctl.d", "On the host.").lines(&["kernel.unprivileged_userns_clone = 1"])
    ],
    folklore: &[myth(
        "Without this switch unprivileged user namespaces are always allowed.",
        "`user.max_user_namespaces` at 0 forbids them with ENOSPC, AppArmor and other modules with \
         EACCES or EPERM.",
    )],
    related: &[
        Cause::Chroot,
        Cause::MaxNamespaces,
        Cause::CapSysAdmin,
        Cause::Lsm,
    ],
};
