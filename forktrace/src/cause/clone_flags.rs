//! Flags that don't go together, or not in the state that the caller is in:
//! EINVAL.
//!
//! kernel/fork.c `copy_process`, before anything else; kernel/nsproxy.c
//! `copy_namespaces` for CLONE_NEWIPC with CLONE_SYSVSEM. Flags that clone3
//! itself refuses never come that far, and are not seen.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Entry, Finding, Verdict,
        page::{Page, check, myth, remedy, step},
        words::{Words, fix},
    },
    evidence::{Evidence, Stage},
    record::{Errno, Fix},
};

pub const ENTRY: Entry = Entry {
    cause: Cause::CloneFlags,
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
};

struct Conflict {
    /// Checked by `copy_namespaces`, not at first.
    late: bool,
    /// Refused on every version.
    sure: bool,
}

/// The first check that refuses such flags.
fn conflict(e: &Evidence) -> Option<Conflict> {
    if e.errno != Errno::EINVAL {
        return None;
    }
    let c = e.cousins.as_ref()?;
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
    {
        return early(true);
    }
    // Dropped by later versions.
    if any(clone::THREAD | clone::VM) && c.other_time_ns || all(clone::PIDFD | clone::THREAD) {
        return early(false);
    }
    all(clone::NEWIPC | clone::SYSVSEM).then_some(Conflict {
        late: true,
        sure: true,
    })
}

fn summary(_: &Verdict, w: &Words<'_>) -> String {
    format!(
        "{}it asked with flags that exclude each other, or that its namespaces exclude",
        w.opening()
    )
}

fn fixes(_: &Verdict, _: &Words<'_>) -> Vec<Fix> {
    vec![fix(
        None,
        "change the flags in the program; clone(2) lists the combinations that answer EINVAL"
            .to_owned(),
        "a thread is refused too where unshare(CLONE_NEWPID) has sent the children elsewhere"
            .to_owned(),
    )]
}

pub const PAGE: Page = Page {
    cause: Cause::CloneFlags,
    errno: &["EINVAL"],
    errno_note: None,
    scope: "no limit: the call's flags",
    summary: "the flags of clone exclude each other, or the caller's state does",
    about: &[
        "Some flags need others: CLONE_THREAD needs CLONE_SIGHAND, and that needs CLONE_VM. Some \
         exclude others: CLONE_NEWNS and CLONE_NEWUSER exclude CLONE_FS, CLONE_THREAD excludes \
         CLONE_NEWUSER and CLONE_NEWPID, CLONE_NEWIPC excludes CLONE_SYSVSEM.",
        "Some depend on the caller: after unshare with CLONE_NEWPID, or setns into a pid \
         namespace, a process can create processes and no threads; the init of a pid namespace \
         can't use CLONE_PARENT.",
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
            "kernel/nsproxy.c",
            "copy_namespaces",
            "5.10 to 7.3",
            "CLONE_NEWIPC together with CLONE_SYSVSEM.",
        ),
    ],
    exempt: "Nobody.",
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
