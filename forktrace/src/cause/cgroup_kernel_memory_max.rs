//! memory.kmem.limit_in_bytes of a cgroup v1 (no effect since 5.16): explained
//! here, not concluded yet.
//!
//! mm/memcontrol.c `__memcg_kmem_charge` (5.10).

use super::{
    Cause,
    page::{Page, check, myth, remedy, step},
};

pub const PAGE: Page = Page {
    cause: Cause::CgroupKernelMemoryMax,
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
