//! `user.max_*_namespaces`: how many namespaces of one kind a user may have,
//! in its user namespace and in every one above: ENOSPC.
//!
//! kernel/ucount.c `inc_ucount`, by effective uid. Each user namespace has
//! bounds of its own, which hold for each of its users; what a user of a
//! nested one makes is charged to the namespace's creator further up as well.
//! CLONE_NEWUSER is counted in kernel/user_namespace.c `create_user_ns`, within
//! `copy_creds`; the others in kernel/nsproxy.c `create_new_namespaces`. Nobody
//! is exempt.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{sysctl, target},
        page::{Page, check, myth, remedy, step},
        words::{fix, numbers},
    },
    evidence::{Evidence, NsLimit, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit, UserNamespaceOwner},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[
        LimitKind::MaxUserNamespaces,
        LimitKind::MaxPidNamespaces,
        LimitKind::MaxUtsNamespaces,
        LimitKind::MaxIpcNamespaces,
        LimitKind::MaxNetNamespaces,
        LimitKind::MaxMntNamespaces,
        LimitKind::MaxCgroupNamespaces,
        LimitKind::MaxTimeNamespaces,
    ],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    let c = e.other_errnos.as_ref()?;
    match e.stage {
        _ if e.errno != Errno::ENOSPC => None,
        Stage::Early => Finding::observed(limit(c.user_full.as_ref()?)),
        // What was made before it, and is not cleared away yet, can fill a
        // second limit: then the first full one is the likely one.
        Stage::SighandToNamespaces if c.others_full == 1 => {
            Finding::observed(limit(c.other_full.as_ref()?))
        }
        Stage::SighandToNamespaces => Finding::inferred(limit(c.other_full.as_ref()?)),
        _ => None,
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    let c = e.other_errnos.as_ref()?;
    if e.errno != Errno::ENOSPC {
        return None;
    }
    match (&c.user_full, &c.other_full) {
        (Some(full), None) | (None, Some(full)) => Finding::inferred(limit(full)),
        // A user namespace that was made and then given up is still counted.
        _ => None,
    }
}

fn limit(l: &NsLimit) -> Limit {
    let owner = if l.level == 0 {
        Owner::user(l.uid)
    } else {
        Owner::UserNamespace(UserNamespaceOwner {
            inum: l.userns,
            counted: Some(l.uid),
        })
    };
    Limit {
        value: Some(l.limit),
        usage: Some(l.usage),
        requested: Some(1),
        file: Some(format!("/proc/sys/user/max_{}_namespaces", l.kind.name())),
        ..Limit::new(l.kind.limit(), owner, Unit::Namespaces)
    }
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let Some(limit) = &v.limit else {
        return format!("{}a user.max_*_namespaces is full", subject.opening());
    };
    let whose = match &limit.owner {
        user @ Owner::User { .. } => user.to_string(),
        owner => format!("a user of {owner}"),
    };
    format!(
        "{}{whose} has {} that {} allows",
        subject.opening(),
        numbers(limit),
        limit.kind
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let Some(limit) = &v.limit else {
        return Vec::new();
    };
    let target = target::tasks(Some(limit), context);
    let note = match limit.value {
        Some(0) => "0 is how administrators forbid such namespaces: ask why before changing it",
        _ => "it counts each user's own; look for namespaces that were left behind (lsns)",
    };
    let set = target.command(|n| format!("sysctl -w {}={n}", limit.kind));
    if matches!(limit.owner, Owner::User { .. }) {
        sysctl::fixes(
            &limit.kind.to_string(),
            target,
            set,
            note.to_owned(),
            context,
        )
    } else {
        vec![fix(
            set.map(|set| format!("{set}, run inside that user namespace")),
            None,
            note.to_owned(),
        )]
    }
}

const PAGE: Page = Page {
    cause: Cause::MaxNamespaces,
    known_as: &[
        "user.max_user_namespaces",
        "user.max_pid_namespaces",
        "user.max_mnt_namespaces",
        "user.max_net_namespaces",
        "user.max_ipc_namespaces",
        "user.max_uts_namespaces",
        "user.max_cgroup_namespaces",
        "user.max_time_namespaces",
        "max_user_namespaces",
    ],
    errno: &["ENOSPC"],
    errno_note: None,
    scope: "the user, or a user namespace",
    summary: "a user has as many namespaces as `user.max_*_namespaces` allows",
    about: &[
        "Each user namespace bounds, for each of its users, how many namespaces of each kind \
         there may be: `user.max_user_namespaces`, `user.max_pid_namespaces` and so on for net, \
         mnt, uts, ipc, cgroup and time. It counts by effective uid.",
        "What is made inside a nested user namespace counts there, and for the creator of that \
         user namespace one level up, and so on. Any of these levels can refuse.",
        "The errno is ENOSPC, `No space left on device`, though no disk is full. Containers, \
         browsers' sandboxes and `unshare` meet it; unshare(2) and setns(2) answer the same, and \
         are not traced.",
    ],
    checks: &[
        check(
            "kernel/user_namespace.c",
            "create_user_ns",
            "5.10 to 7.3",
            "CLONE_NEWUSER: `inc_user_namespaces`.",
        ),
        check(
            "kernel/ucount.c",
            "inc_ucount",
            "5.10 to 7.3",
            "Every kind: the count of each level against its bound, the caller's level first.",
        ),
    ],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "The bounds as the process's user namespace has them.",
            &["nsenter -t $PID -U grep . /proc/sys/user/max_*_namespaces"],
        ),
        step(
            "What exists, by kind and owner.",
            &["lsns -o TYPE,NS,UID,PID,COMMAND"],
        ),
    ],
    fix_now: &[step(
        "Raise the one that is named; for one of a nested user namespace, inside it.",
        &["sysctl -w user.max_pid_namespaces=$N"],
    )],
    fix_for_good: &[
        remedy("sysctl.d", "On the host; each kind has its own line.")
            .lines(&["user.max_user_namespaces = $N"]),
        remedy(
            "containers, Kubernetes",
            "Set it on each node. A container with a user namespace of its own has the limit of \
             that as well: `/proc/sys/user` inside shows it.",
        ),
        remedy(
            "hardening",
            "A value of 0 is deliberate: whoever set it (a benchmark of hardening rules, an image) \
             has to agree.",
        ),
    ],
    folklore: &[myth(
        "`No space left on device` from clone or unshare is about a disk.",
        "It is a count of namespaces, or their nesting.",
    )],
    related: &[
        Cause::UserNamespaceLevel,
        Cause::PidNamespaceLevel,
        Cause::CapSysAdmin,
        Cause::UnprivilegedUserns,
    ],
};
