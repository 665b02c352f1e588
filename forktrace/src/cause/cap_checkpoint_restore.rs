//! `set_tid` of clone3 without the capability: EPERM.
//!
//! kernel/pid.c `alloc_pid`: `checkpoint_restore_ns_capable()`, which is
//! CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN, in the user namespace that owns
//! each of the pid namespaces in which an id was asked for.

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
        // x86: copy_thread() answers EPERM to a bad address for CLONE_SETTLS.
        Stage::IoToPid if asked(e) && e.clone_flags & clone::SETTLS == 0 => Finding::observed(None),
        Stage::IoToPid if asked(e) => Finding::inferred(None),
        _ => None,
    },
    // Those of other namespaces may be missing, which don't show here.
    exhausted: |e| {
        let own = e.other_errnos.as_ref().is_some_and(|c| !c.own_sys_admin);
        if asked(e) && own {
            Finding::inferred(None)
        } else {
            None
        }
    },
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn asked(e: &Evidence) -> bool {
    e.errno == Errno::EPERM && e.other_errnos.as_ref().is_some_and(|c| c.set_tid_size > 0)
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}it asked for process ids (set_tid of clone3) without CAP_CHECKPOINT_RESTORE",
        subject.opening()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "run it with CAP_CHECKPOINT_RESTORE, or in a user and pid namespace of its own".to_owned(),
        "each pid namespace in which an id is asked for counts, by the user namespace that owns it"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::CapCheckpointRestore,
    known_as: &["CAP_CHECKPOINT_RESTORE", "set_tid"],
    errno: &["EPERM"],
    errno_note: None,
    scope: "no limit: the caller's capabilities",
    summary: "set_tid of clone3 was used without CAP_CHECKPOINT_RESTORE",
    about: &[
        "Whoever chooses a process id needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the user \
         namespace that owns the pid namespace, for each one in which an id is asked for.",
    ],
    checks: &[check(
        "kernel/pid.c",
        "alloc_pid",
        "5.10 to 7.3",
        "`checkpoint_restore_ns_capable` for each level in which an id was asked for.",
    )],
    exempt: "Nobody.",
    confirm: &[step(
        "Bit 40 of CapEff is CAP_CHECKPOINT_RESTORE, bit 21 CAP_SYS_ADMIN.",
        &["grep CapEff /proc/$PID/status"],
    )],
    fix_now: &[step("Run it as root, or with the capability.", &[])],
    fix_for_good: &[remedy("CRIU", "Give the binary the capability.")
        .run(&["setcap cap_checkpoint_restore+eip /usr/sbin/criu"])],
    folklore: &[myth(
        "Restoring needs root.",
        "Since 5.9 CAP_CHECKPOINT_RESTORE is enough for the ids.",
    )],
    related: &[Cause::SetTidInUse, Cause::SetTidInvalid, Cause::CapSysAdmin],
};
