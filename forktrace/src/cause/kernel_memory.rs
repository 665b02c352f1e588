//! Memory that the kernel itself needs for a task could not be had, and no
//! other cause of ENOMEM explains it: explained here, not concluded yet.

use super::{
    Cause,
    entry::{AboutMemory, Entry},
    page::{Page, check, myth, remedy, step},
};

pub(super) const ENTRY: Entry = Entry {
    memory: AboutMemory::Always,
    ..Entry::explained(&PAGE)
};

const PAGE: Page = Page {
    cause: Cause::KernelMemory,
    known_as: &["page allocation failure", "fork: page allocation failure"],
    errno: &["ENOMEM"],
    errno_note: Some("A kernel thread can get EAGAIN instead, a thread EBUSY; see the checks."),
    scope: "the host's kernel memory",
    summary: "the kernel could not allocate something that a new task needs",
    about: &[
        "A task needs a task structure, a kernel stack, page tables and a dozen smaller objects. \
         Each of these allocations can fail in the source; in practice they fail inside a memory \
         cgroup that can't make room, or while the caller is being killed, and those are causes \
         of their own. What is left over is rare, and a verdict of it is inferred at best.",
        "A host that runs out of RAM doesn't end here: the kernel reclaims, and then the OOM \
         killer ends a process, often the one that forks.",
    ],
    checks: &[
        check(
            "kernel/fork.c",
            "copy_process",
            "5.10 to 7.3",
            "Any of `dup_task_struct`, `copy_creds`, `copy_files`, `copy_sighand`, `copy_signal`, \
             `copy_mm`, `copy_io`, audit, perf, semaphore undo lists, `alloc_pid`; with \
             shadow stacks in use (x86-64 6.6+, arm64 6.13+) the mapping of a new thread's shadow stack.",
        ),
        check(
            "kernel/kthread.c",
            "set_kthread_struct",
            "5.17 to 7.3",
            "Kernel threads only: without memory for what is kept of one, `copy_process` answers \
             EAGAIN, the errno of threads-max, which it has just compared. No program gets it, \
             and no verdict names it, for nothing tells it apart from the checks beside it.",
        ),
        check(
            "kernel/futex/core.c",
            "futex_hash_allocate_default",
            "6.16 to 7.3",
            "A process's own table of futexes, larger with its threads, up to the processors. \
             EBUSY in place of ENOMEM where another thread goes back to the global table \
             (PR_FUTEX_HASH of prctl) at that moment. It takes a race on a host with more than \
             four processors, so no test provokes it, and the verdict is unknown.",
        ),
    ],
    exempt: "Nobody.",
    confirm: &[
        step(
            "Look for a failed allocation, or for the OOM killer, at that time.",
            &["dmesg -T | grep -Ei 'page allocation failure|out of memory|oom-kill'"],
        ),
        step(
            "Rule the other causes of ENOMEM out: the overcommit policy, a dead pid namespace \
             (two different numbers), a memory cgroup.",
            &[
                "sysctl vm.overcommit_memory",
                "readlink /proc/$PID/ns/pid /proc/$PID/ns/pid_for_children",
                "cat /proc/$PID/cgroup",
            ],
        ),
        step(
            "See what the kernel holds by itself; SUnreclaim growing without end is a leak.",
            &["grep -E 'Slab|SUnreclaim|KernelStack|PageTables' /proc/meminfo"],
        ),
    ],
    fix_now: &[step(
        "Free memory: end what holds most of it. Processes hold kernel memory too (stacks, page \
         tables), so fewer tasks helps more than smaller ones.",
        &["ps -eo rss,nlwp,pid,comm --sort=-rss | head"],
    )],
    fix_for_good: &[remedy(
        "host",
        "More RAM, or fewer tasks; a kernel that leaks slab memory needs an update.",
    )],
    folklore: &[myth(
        "ENOMEM from fork means that RAM is full.",
        "Allocations this small (up to 8 pages in a row) don't fail for want of RAM: the OOM \
         killer runs instead. With RAM filled up, the forker was killed on each kernel tried \
         from 5.10 to 7.3, and no errno reached user space.",
    )],
    related: &[
        Cause::CgroupMemoryMax,
        Cause::Overcommit,
        Cause::PidNamespaceDead,
        Cause::FatalSignal,
    ],
};
