//! A security module refused in `security_task_alloc` (SELinux answers EACCES
//! there; a BPF program may answer anything), or in a hook of what was asked for
//! beside the task.
//!
//! kernel/fork.c `copy_process`, security/security.c. Of the steps between
//! `audit_alloc` and `copy_fs` only the module and `fs->in_exec` can answer
//! EAGAIN; ENOMEM can have other reasons and stays unknown.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix, Operation},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted: |_| None,
    fix: fixes,
    summary,
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if is_elsewhere(e) {
        return Finding::inferred(None);
    }
    let there = matches!(e.stage, Stage::SecurityToFs | Stage::SecurityToFiles);
    if !there || e.signs.security_passed == Sign::Seen {
        return None;
    }
    match e.errno {
        // What comes before (`audit_alloc`) answers ENOMEM alone; of what comes
        // behind only `copy_fs` answers EAGAIN, and only to CLONE_FS.
        Errno::EAGAIN if e.signs.security_passed == Sign::NotSeen => Finding::observed(None),
        Errno::EAGAIN if e.stage == Stage::SecurityToFiles => Finding::observed(None),
        // These are the steps' there; every other errno is a module's.
        Errno::EAGAIN | Errno::ENOMEM | Errno::EMFILE => None,
        // 7.x: copy_fs() of a helper that the kernel starts answers so to flags.
        Errno::EINVAL if e.operation == Operation::KernelThread => None,
        _ => Finding::observed(None),
    }
}

/// The modules' other hooks on the way, each at a step where nothing else that is
/// known answers EAGAIN: `userns_create` (6.1+) in `copy_creds`, those of the pidfd's
/// file (`file_alloc_security`, 6.9+ `file_open`), and `task_setscheduler`, which the
/// cpuset controller asks for a child in another cpuset.
fn is_elsewhere(e: &Evidence) -> bool {
    let asked = |flag: u64| e.clone_flags & flag != 0;
    let signs = &e.signs;
    e.errno == Errno::EAGAIN
        && match e.stage {
            Stage::Early => {
                asked(clone::NEWUSER)
                    && signs.child == Sign::NotSeen
                    && signs.nproc_asked == Sign::NotSeen
            }
            Stage::IoToPid => !e.ids_can_have_run_out() && !e.may_want_shadow_stack(),
            Stage::Cgroups => asked(clone::INTO_CGROUP) && signs.pids_refused == Sign::NotSeen,
            _ => false,
        }
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!("{}a security module (LSM) refused it", subject.opening())
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        None,
        "see /sys/kernel/security/lsm for the modules, and `bpftool prog` for BPF programs of type lsm"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::Lsm,
    known_as: &[
        "SELinux",
        "AppArmor",
        "security module",
        "kernel.apparmor_restrict_unprivileged_userns",
    ],
    errno: &["any"],
    errno_note: Some("SELinux answers EACCES; a BPF program answers what it likes."),
    scope: "no limit: a security policy",
    summary: "a security module refused the new task",
    about: &[
        "Security modules are asked about each new task. SELinux can deny the permission \
         `process fork`; a BPF program of type lsm can refuse for any reason with any errno, \
         EAGAIN and ENOMEM included. AppArmor, Landlock, Smack and TOMOYO never refuse here.",
        "The verdict needs a stage at which nothing else answers that errno. So an ENOMEM of a \
         module stays unknown (memory is asked for beside it), and of a thread an EAGAIN, which an \
         execve of the same process answers as well. A module can also deny a capability that \
         would have exempted the caller; then the limit is the cause, and named where it is full.",
        "What is asked for beside the task has hooks of its own: a user namespace, the file of a \
         pidfd, a cgroup with another cpuset. An EAGAIN of these is inferred, where no limit at \
         that step can have answered it.",
    ],
    checks: &[
        check(
            "security/security.c",
            "security_task_alloc",
            "5.10 to 7.3",
            "Called by `copy_process`: the hook `task_alloc` of each module in turn.",
        ),
        check(
            "security/security.c",
            "security_create_user_ns",
            "6.1+",
            "Called by `create_user_ns`, with CLONE_NEWUSER: the hook `userns_create`.",
        ),
        check(
            "security/security.c",
            "security_file_alloc",
            "5.10 to 7.3",
            "With CLONE_PIDFD the pidfd is an open file: the hook `file_alloc_security`, and since \
             6.9 `file_open`.",
        ),
        check(
            "kernel/cgroup/cpuset.c",
            "cpuset_can_fork",
            "6.1+",
            "With CLONE_INTO_CGROUP into another cpuset: the hook `task_setscheduler`.",
        ),
    ],
    exempt: "By the module's policy; the kernel exempts nobody.",
    confirm: &[
        step(
            "See which modules are active; BPF programs are asked only where bpf is among them.",
            &[
                "cat /sys/kernel/security/lsm",
                "bpftool prog list | grep -w lsm",
            ],
        ),
        step(
            "SELinux: look for denials of fork.",
            &["ausearch -m avc -ts recent | grep -w fork"],
        ),
    ],
    fix_now: &[step(
        "Stop what loaded the BPF program (`pids` in the list); unless pinned, it goes with it.",
        &["bpftool prog list | grep -A 5 -w lsm"],
    )],
    fix_for_good: &[remedy(
        "policy",
        "Change the policy of whatever refused: the agent that loads the BPF program, or the \
         SELinux module of that domain.",
    )],
    folklore: &[myth(
        "EAGAIN from fork is always a limit.",
        "A BPF security program can answer EAGAIN with every limit far away.",
    )],
    related: &[Cause::Seccomp, Cause::ExecInProgress],
};
