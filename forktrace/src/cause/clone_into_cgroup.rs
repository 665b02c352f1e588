//! The cgroup that CLONE_INTO_CGROUP names doesn't take the child: EBUSY,
//! EACCES, EBADF, EOPNOTSUPP, ENODEV, ENOENT.
//!
//! kernel/cgroup/cgroup.c `cgroup_css_set_fork`, the first part of
//! `cgroup_can_fork`. Its pids.max refuses with EAGAIN, which is another cause.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match e.stage {
        Stage::Cgroups if refused(e) => Finding::observed(None),
        _ => None,
    },
    // EACCES can be a security module's, too.
    exhausted: |e| {
        if refused(e) && e.errno != Errno::EACCES {
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
    e.into_cgroup && why(e.errno).is_some()
}

/// What each errno of `cgroup_css_set_fork` says.
fn why(errno: Errno) -> Option<&'static str> {
    Some(match errno {
        Errno::EBUSY => "has controllers enabled for its children, and so takes no tasks itself",
        Errno::EACCES => "or a common ancestor's cgroup.procs is not writable for the caller",
        Errno::EBADF => "is no open folder of a v2 cgroup",
        Errno::EOPNOTSUPP => "is threaded, or of another threaded subtree",
        Errno::ENODEV => "has been removed",
        Errno::ENOENT => "lies outside the caller's cgroup namespace",
        _ => return None,
    })
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    let why = why(subject.errno).unwrap_or("doesn't take it");
    format!(
        "{}the cgroup that it should go into (CLONE_INTO_CGROUP) {why}",
        subject.opening()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    if let Some(target) = context
        .target
        .as_ref()
        .filter(|_| subject.errno == Errno::EBUSY)
    {
        let persistent = format!(
            "put the child into a child of {path}, or clear its cgroup.subtree_control, which has: {}",
            target.controllers,
            path = target.path
        );
        let note = format!(
            "{} is the only cgroup with controllers for its children whose folder the caller holds open",
            target.path
        );
        return vec![fix(None, persistent, note)];
    }
    let persistent = match subject.errno {
        Errno::EBUSY => {
            "put the child into a child of that cgroup, or clear its cgroup.subtree_control"
        }
        Errno::EACCES => {
            "delegate the cgroup to the caller (Delegate= in a unit), with the common ancestor's cgroup.procs"
        }
        _ => {
            "open the folder of an existing cgroup of the v2 hierarchy, below the caller's cgroup namespace"
        }
    };
    vec![fix(None, persistent.to_owned(), None)]
}

const PAGE: Page = Page {
    cause: Cause::CloneIntoCgroup,
    known_as: &["CLONE_INTO_CGROUP"],
    errno: &["EBUSY", "EACCES"],
    errno_note: Some("Also EBADF, EOPNOTSUPP, ENODEV and ENOENT, see below."),
    scope: "the target cgroup",
    summary: "the cgroup that CLONE_INTO_CGROUP names doesn't take the child",
    about: &[
        "clone3 with CLONE_INTO_CGROUP creates the child in the v2 cgroup whose folder is given as \
         a descriptor. The rules are those of writing to its cgroup.procs.",
        "EBUSY: it has controllers enabled for its children, so no tasks of its own. EACCES: the \
         caller may not write its cgroup.procs, or that of the common ancestor. EBADF: the \
         descriptor is no v2 cgroup's folder. EOPNOTSUPP: it is threaded. ENODEV: it was removed. \
         ENOENT: it lies outside the caller's cgroup namespace.",
    ],
    checks: &[check(
        "kernel/cgroup/cgroup.c",
        "cgroup_css_set_fork",
        "5.10 to 7.3",
        "The descriptor, the permissions, and `cgroup_migrate_vet_dst`.",
    )],
    exempt: "Root has the permissions; nobody is exempt from the rest.",
    confirm: &[step(
        "Is it a leaf, is it a domain, who owns it?",
        &[
            "cat $CG/cgroup.subtree_control $CG/cgroup.type",
            "ls -l $CG/cgroup.procs",
        ],
    )],
    fix_now: &[step(
        "EBUSY: create a child cgroup and name that.",
        &["mkdir $CG/leaf"],
    )],
    fix_for_good: &[
        remedy("systemd unit", "Hand the subtree over to the service.")
            .lines(&["[Service]", "Delegate=yes"]),
        remedy("program", "Use leaves of the v2 hierarchy."),
    ],
    folklore: &[],
    related: &[Cause::CgroupPidsMax, Cause::Lsm],
};
