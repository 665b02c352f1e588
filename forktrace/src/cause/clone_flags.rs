//! Flags that don't go together, or not in the state that the caller is in:
//! EINVAL. One that takes a capability unless another is there: EPERM.
//!
//! kernel/fork.c `copy_process`, before anything else; kernel/nsproxy.c
//! `copy_namespaces` for CLONE_NEWIPC with CLONE_SYSVSEM. Flags that clone3
//! itself refuses never come that far, and are not seen. CLONE_EMPTY_MNTNS
//! (7.1+) shows as the CLONE_NEWNS that it stands for, with which it is refused.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, OtherErrnos, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| match (e.stage, conflict(e)?) {
        (
            Stage::Early,
            Conflict {
                late: false,
                sure: true,
            },
        ) => Finding::observed(None),
        (
            Stage::Early,
            Conflict {
                late: false,
                sure: false,
            },
        ) => Finding::inferred(None),
        (Stage::SighandToNamespaces, Conflict { late: true, .. }) => Finding::observed(None),
        _ => None,
    },
    exhausted: |e| conflict(e).and_then(|_| Finding::inferred(None)),
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

struct Conflict {
    /// Checked by `copy_namespaces`, not at first.
    late: bool,
    /// Refused on every version.
    sure: bool,
}

/// The first check that refuses such flags.
fn conflict(e: &Evidence) -> Option<Conflict> {
    let c = e.other_errnos.as_ref()?;
    if e.errno == Errno::EPERM {
        return unkillable(e.clone_flags, c).then_some(Conflict {
            late: false,
            sure: true,
        });
    }
    if e.errno != Errno::EINVAL {
        return None;
    }
    let all = |flags: u64| e.clone_flags & flags == flags;
    let any = |flags: u64| e.clone_flags & flags != 0;
    let early = |sure| Some(Conflict { late: false, sure });
    if all(clone::NEWNS | clone::FS)
        || all(clone::NEWUSER | clone::FS)
        || all(clone::THREAD) && !any(clone::SIGHAND)
        || all(clone::SIGHAND) && !any(clone::VM)
        || all(clone::PARENT) && c.init
        || all(clone::THREAD) && any(clone::NEWUSER | clone::NEWPID)
        || all(clone::THREAD) && c.other_pid_ns
        || all(clone::PIDFD | clone::DETACHED)
        || all(clone::AUTOREAP) && any(clone::THREAD | clone::PARENT)
        || all(clone::NNP | clone::THREAD)
        || all(clone::PIDFD_AUTOKILL) && !all(clone::PIDFD | clone::AUTOREAP)
    {
        return early(true);
    }
    // Dropped by later versions.
    if any(clone::THREAD | clone::VM) && c.other_time_ns || all(clone::PIDFD | clone::THREAD) {
        return early(false);
    }
    if all(clone::NEWIPC | clone::SYSVSEM) {
        return Some(Conflict {
            late: true,
            sure: true,
        });
    }
    // What is left of CLONE_AUTOREAP's checks is that of the exit signal, which
    // has to be 0, and of CLONE_PARENT's that of a caller that is reaped itself.
    // Ids that were asked for can be wrong as well, later on.
    if any(clone::AUTOREAP | clone::PARENT) && c.set_tid_size == 0 {
        return early(false);
    }
    None
}

/// CLONE_PIDFD_AUTOKILL without CLONE_NNP takes CAP_SYS_ADMIN. Debian's
/// kernel.unprivileged_userns_clone is asked before.
fn unkillable(flags: u64, c: &OtherErrnos) -> bool {
    flags & clone::PIDFD_AUTOKILL != 0
        && flags & clone::NNP == 0
        && !c.own_sys_admin
        && !(flags & clone::NEWUSER != 0 && c.userns_clone_off)
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    if subject.errno == Errno::EPERM {
        return format!(
            "{}it asked for CLONE_PIDFD_AUTOKILL without CLONE_NNP, and has no CAP_SYS_ADMIN in its user namespace",
            subject.opening()
        );
    }
    format!(
        "{}it asked with flags that exclude each other, or that its namespaces exclude",
        subject.opening()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, _: &Context) -> Vec<Fix> {
    if subject.errno == Errno::EPERM {
        return vec![fix(
            None,
            "add CLONE_NNP to the flags: a child without new privileges may be killed by its pidfd"
                .to_owned(),
            None,
        )];
    }
    vec![fix(
        None,
        "change the flags in the program; clone(2) lists the combinations that answer EINVAL"
            .to_owned(),
        "a thread is refused too where unshare(CLONE_NEWPID) has sent the children elsewhere"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::CloneFlags,
    known_as: &[],
    errno: &["EINVAL", "EPERM"],
    errno_note: Some("EPERM for CLONE_PIDFD_AUTOKILL alone (7.1+)."),
    scope: "no limit: the call's flags",
    summary: "the flags of clone exclude each other, or the caller's state does",
    about: &[
        "Some flags need others: CLONE_THREAD needs CLONE_SIGHAND, and that needs CLONE_VM. Some \
         exclude others: CLONE_NEWNS and CLONE_NEWUSER exclude CLONE_FS, CLONE_THREAD excludes \
         CLONE_NEWUSER and CLONE_NEWPID, CLONE_NEWIPC excludes CLONE_SYSVSEM.",
        "Some depend on the caller: after unshare with CLONE_NEWPID, or setns into a pid \
         namespace, a process can create processes and no threads; the init of a pid namespace \
         can't use CLONE_PARENT.",
        "Of clone3's newer flags (7.1+) CLONE_AUTOREAP excludes CLONE_THREAD, CLONE_PARENT and an \
         exit signal, and a process created with it can't use CLONE_PARENT; CLONE_NNP excludes \
         CLONE_THREAD; CLONE_PIDFD_AUTOKILL needs CLONE_PIDFD and CLONE_AUTOREAP, and either \
         CLONE_NNP or CAP_SYS_ADMIN (else EPERM); CLONE_EMPTY_MNTNS is a CLONE_NEWNS, and excludes \
         CLONE_FS.",
    ],
    checks: &[
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "The flags, and whether the pid namespace for children is the caller's own.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 6.x",
            "With CLONE_VM or CLONE_THREAD also whether the time namespace is.",
        ),
        check(
            "kernel/fork.c",
            "copy_process",
            "7.1 to 7.3",
            "CLONE_AUTOREAP, CLONE_NNP, CLONE_PIDFD_AUTOKILL against the others, and \
             CAP_SYS_ADMIN in the caller's user namespace.",
        ),
        check(
            "kernel/nsproxy.c",
            "copy_namespaces",
            "5.10 to 7.3",
            "CLONE_NEWIPC together with CLONE_SYSVSEM.",
        ),
    ],
    exempt: "Nobody; of EPERM CAP_SYS_ADMIN in the caller's user namespace.",
    confirm: &[
        step(
            "The flags of the call that fails.",
            &["strace -f -e trace=clone,clone3 -e status=failed -p $PID"],
        ),
        step(
            "Threads: these two have to be the same.",
            &["readlink /proc/$PID/ns/pid /proc/$PID/ns/pid_for_children"],
        ),
    ],
    fix_now: &[step(
        "Create the threads before unshare or setns, or fork first and create them in the child.",
        &[],
    )],
    fix_for_good: &[remedy(
        "program",
        "Correct the flags; clone(2) names each combination.",
    )],
    folklore: &[myth(
        "EINVAL from pthread_create is about the thread's attributes.",
        "It can come from the kernel, when the process's children go to another pid namespace.",
    )],
    related: &[Cause::SetTidInvalid, Cause::PidNamespaceDead],
};
