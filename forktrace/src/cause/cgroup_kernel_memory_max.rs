//! memory.kmem.limit_in_bytes of a cgroup v1 (no effect since 5.16).
//!
//! mm/memcontrol.c `__memcg_kmem_charge` (5.10): the charge fails at once,
//! nothing is killed. Concluded from the numbers: the function runs for every
//! page of kernel memory on the host, which is no place for a probe.

use super::{
    Cause, Context, Entry, Finding, Subject, Verdict,
    cgroup_memory_max::explained_by_pid_ns,
    entry::AboutMemory,
    knob::target,
    limits, outside,
    page::{Page, check, myth, remedy, step},
    words::{fix, numbers, shell_word},
};
use crate::{
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix, LimitKind},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| near(e).filter(|_| !matches!(e.stage, Stage::NotEntered | Stage::MaybeNotEntered)),
    exhausted: near,
    fix: fixes,
    summary,
    limits: &[LimitKind::KernelMemoryLimit],
    memory: AboutMemory::Always,
    ..Entry::of_creations(&PAGE)
};

fn near(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM
        || e.memory_refused.is_some()
        || e.memory_may_be_stuck()
        || e.signs.overcommit_refused == Sign::Seen
        || explained_by_pid_ns(e)
    {
        return None;
    }
    Finding::inferred(limits::kernel_memory(e.kernel_memory_near.as_ref()?))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    match &v.limit {
        Some(limit) => format!(
            "{}the kernel memory of cgroup {} is at its limit ({})",
            subject.opening(),
            limit.owner,
            numbers(limit)
        ),
        None => format!(
            "{}its cgroup's kernel memory is at its limit",
            subject.opening()
        ),
    }
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let limit = v.limit.as_ref();
    let now = limit
        .and_then(|l| shell_word(l.file.as_deref()?))
        .and_then(|file| target::bytes(limit, context).command(|n| format!("echo {n} > {file}")));
    let fix = fix(
        now,
        "leave memory.kmem.limit_in_bytes unset (Docker: no --kernel-memory)".to_owned(),
        "kernels since 5.16 ignore this limit; memory.limit_in_bytes covers kernel memory too"
            .to_owned(),
    );
    match limit {
        Some(limit) => outside::fixes(limit, subject, context, fix),
        None => vec![fix],
    }
}

const PAGE: Page = Page {
    cause: Cause::CgroupKernelMemoryMax,
    known_as: &["memory.kmem.limit_in_bytes", "--kernel-memory"],
    errno: &["ENOMEM"],
    errno_note: None,
    scope: "a cgroup v1, or one above it",
    summary: "a v1 cgroup is at its memory.kmem.limit_in_bytes (kernels before 5.16)",
    about: &[
        "The kernel stack, the task structure and the page tables of a new task are charged to \
         the caller's memory cgroup. cgroup v1 has a limit for such kernel memory alone; at it, \
         fork answers ENOMEM and nothing is killed.",
    ],
    checks: &[check(
        "mm/memcontrol.c",
        "__memcg_kmem_charge",
        "5.10",
        "The kernel memory in use against `memory.kmem.limit_in_bytes`. Since 5.16 the file has \
         no effect. cgroup v2 never had such a limit.",
    )],
    exempt: "Tasks in the root cgroup.",
    confirm: &[
        step(
            "Compare the numbers in the cgroup and in each one above it; failcnt counts refusals.",
            &[
                "m=$(awk -F: '$2 ~ /memory/ {print $3}' /proc/$PID/cgroup)",
                "d=/sys/fs/cgroup/memory$m",
                "while [ ${#d} -gt 21 ]; do",
                "  grep -sH . \"$d\"/memory.kmem.*_in_bytes \"$d\"/memory.kmem.failcnt",
                "  d=${d%/*}",
                "done",
            ],
        ),
        step(
            "5.16 or newer: it is something else, see cgroup_memory_max.",
            &["uname -r"],
        ),
    ],
    fix_now: &[step(
        "Lift the limit; memory.limit_in_bytes still bounds kernel and user memory together.",
        &["echo -1 > $CG/memory.kmem.limit_in_bytes"],
    )],
    fix_for_good: &[
        remedy(
            "container runtime",
            "Start the container without `--kernel-memory`; `--memory` counts kernel memory too.",
        ),
        remedy(
            "host",
            "Use cgroup v2, which has one limit for both, or a kernel from 5.16 on.",
        ),
    ],
    folklore: &[myth(
        "A limit on kernel memory protects the host from fork bombs.",
        "It answers ENOMEM where nobody expects it, and newer kernels ignore it. pids.max is the \
         limit that is made for this.",
    )],
    related: &[Cause::CgroupMemoryMax, Cause::CgroupPidsMax],
};
