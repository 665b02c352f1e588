//! A scheduler written in BPF (sched_ext) refused the new task.
//!
//! kernel/sched/ext.c (7.x: kernel/sched/ext/ext.c) `scx_fork`, called by
//! kernel/sched/core.c `sched_cgroup_fork` once the cgroups have agreed: the
//! scheduler's `ops.init_task` may answer any errno. 6.12+, where the kernel is
//! built with CONFIG_SCHED_CLASS_EXT.

use forktrace_common::clone;

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Stage},
    model::{Errno, Fix, Limit, LimitKind, Owner, Unit},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    // Nothing that could be read at the return tells it apart from a security module.
    exhausted: |_| None,
    fix: fixes,
    summary,
    limits: &[LimitKind::SchedExt],
    ..Entry::of_creations(&PAGE)
};

/// What else can refuse after the cgroups have agreed is a short list:
/// `futex_hash_allocate_default` (6.16+; ENOMEM, EBUSY), a pid namespace whose
/// init has just ended (ENOMEM, judged before), a fatal signal (EINTR).
fn seen(e: &Evidence) -> Option<Finding> {
    if e.stage != Stage::AfterCgroups || e.dying || e.errno == Errno::EINTR {
        return None;
    }
    let scheduler = e.sched_ext.as_ref();
    let limit = limit(scheduler.and_then(|s| s.name.as_deref()));
    let shared =
        e.errno == Errno::ENOMEM || e.errno == Errno::EBUSY && e.clone_flags & clone::VM != 0;
    if !shared {
        return Finding::observed(limit);
    }
    if scheduler.is_some_and(|s| s.enabled) {
        return Finding::inferred(limit);
    }
    None
}

/// The limit that stands for a BPF scheduler: its name is all that is known of it.
fn limit(name: Option<&str>) -> Option<Limit> {
    let name = name?.to_owned();
    Some(Limit {
        file: Some("/sys/kernel/sched_ext/root/ops".to_owned()),
        ..Limit::new(LimitKind::SchedExt, Owner::Scheduler { name }, Unit::Tasks)
    })
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let which = match &v.limit {
        Some(limit) => format!("the BPF {}", limit.owner),
        None => "a BPF scheduler (sched_ext)".to_owned(),
    };
    format!(
        "{}{which} refused it with {}",
        subject.opening(),
        subject.errno.name()
    )
}

fn fixes(_: &Verdict, _: &Subject<'_>, _: &Context) -> Vec<Fix> {
    vec![fix(
        None,
        "stop the service or program that loaded the scheduler; the kernel's own takes over at once"
            .to_owned(),
        "its init_task refuses new tasks when it has no room of its own for them, as in a BPF map that is full"
            .to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::SchedExt,
    known_as: &["scx"],
    errno: &["any"],
    errno_note: Some("The scheduler chooses; EAGAIN and ENOMEM are what programs expect of fork."),
    scope: "no limit: a BPF scheduler",
    summary: "a scheduler written in BPF (sched_ext) refused the new task",
    about: &[
        "Since 6.12 the scheduler can be a BPF program (sched_ext: scx_lavd, scx_rusty, …). It is \
         asked about each new task, in its `init_task`, and may refuse with any errno; many do \
         when a map in which they keep what they know of tasks is full.",
        "With an ENOMEM the scheduler is concluded: memory for other things is asked for at the \
         same stage. Every other errno there is the scheduler's own.",
    ],
    checks: &[check(
        "kernel/sched/ext.c",
        "scx_fork",
        "6.12 to 7.3",
        "`ops.init_task` of the loaded scheduler, called by `sched_cgroup_fork`, where the kernel \
         is built with CONFIG_SCHED_CLASS_EXT. Since 7.x there can be a scheduler for each \
         cgroup, and the child's is asked.",
    )],
    exempt: "By the scheduler's own rules; the kernel exempts nobody.",
    confirm: &[
        step(
            "`enabled` says that a scheduler is loaded; then its name can be read.",
            &[
                "cat /sys/kernel/sched_ext/state",
                "cat /sys/kernel/sched_ext/root/ops",
            ],
        ),
        step(
            "See whose it is: the struct_ops map, and the process that holds it.",
            &["bpftool map list | grep -A 3 -w struct_ops"],
        ),
    ],
    fix_now: &[step(
        "End the scheduler: by its service, or by the key that makes the kernel take over.",
        &["systemctl stop scx", "echo S > /proc/sysrq-trigger"],
    )],
    fix_for_good: &[remedy(
        "scheduler",
        "Give it room for as many tasks as the host has, or run another; its log says what it \
         refused, where it says anything.",
    )],
    folklore: &[myth(
        "A scheduler decides when tasks run, not whether they come to be.",
        "One written in BPF has a word on that, too.",
    )],
    related: &[Cause::Lsm, Cause::SchedDeadline, Cause::KernelMemory],
};
