//! CLONE_NEWUSER in a chroot: EPERM, for everybody.
//!
//! kernel/user_namespace.c `create_user_ns` asks fs/namespace.c
//! `current_chrooted`: a process that could gain all capabilities in a chroot
//! could leave it. Of the reasons for EPERM there it is the first; an id that the
//! parent's user namespace doesn't map, and a security module (6.1+), come after
//! it. Debian's kernel.unprivileged_userns_clone comes before.

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
    // The root is read from /proc, a moment after the refusal.
    seen: |e| match e.stage {
        Stage::Early if refused(e) => Finding::inferred(None),
        _ => None,
    },
    exhausted: |e| {
        if refused(e) {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn refused(e: &Evidence) -> bool {
    e.errno == Errno::EPERM
        && e.clone_flags & clone::NEWUSER != 0
        && e.other_errnos.as_ref().is_some_and(|c| c.chrooted)
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}it asked for a user namespace from within a chroot, where nobody gets one",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "give it its root by pivot_root in a mount namespace of its own, as container runtimes do (systemd: RootDirectory=)"
            .to_owned(),
        "a user namespace gives its maker the capability by which a chroot can be left".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::Chroot,
    known_as: &[],
    errno: &["EPERM"],
    errno_note: None,
    scope: "the process",
    summary: "a user namespace was asked for from within a chroot",
    about: &[
        "Who makes a user namespace has all capabilities in it, CAP_SYS_CHROOT among them, by \
         which a chroot can be left. So CLONE_NEWUSER answers EPERM to a process whose root isn't \
         the root of its mount namespace. Sandboxes in a build chroot meet it: browsers, bubblewrap, \
         rootless containers, the tests of programs that use them.",
        "A container's root isn't a chroot: runtimes change the mount namespace's own root \
         (pivot_root).",
    ],
    checks: &[check(
        "kernel/user_namespace.c",
        "create_user_ns",
        "5.10 to 7.3",
        "`current_chrooted`: the process's root against its mount namespace's, after \
         user.max_user_namespaces and before ids without a mapping and security modules.",
    )],
    exempt: "Nobody, not even root.",
    confirm: &[step(
        "Anything but / is a chroot, seen from outside of it.",
        &["readlink /proc/$PID/root"],
    )],
    fix_now: &[step(
        "Enter the folder by pivot_root instead of chroot; here a shell in it.",
        &["systemd-nspawn --directory=/srv/chroot sh"],
    )],
    fix_for_good: &[
        remedy("systemd unit", "Has a mount namespace whose root it is.")
            .lines(&["[Service]", "RootDirectory=/srv/chroot"]),
        remedy(
            "build tools",
            "sbuild and mock can enter their trees by unshare or nspawn in place of chroot.",
        ),
    ],
    folklore: &[myth(
        "EPERM from unshare or clone means that a setting forbids user namespaces.",
        "In a chroot no setting allows them.",
    )],
    related: &[Cause::UnprivilegedUserns, Cause::Lsm, Cause::MaxNamespaces],
};
