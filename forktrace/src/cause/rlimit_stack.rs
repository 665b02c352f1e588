//! RLIMIT_STACK as the default size of thread stacks: too large to be mapped.
//! Explained here, not concluded yet.
//!
//! The kernel compares nothing with it when a thread is created; glibc takes it
//! for the size of the mapping (pthread_create(3)).

use super::{
    Cause, Entry,
    page::{Page, check, myth, remedy, step},
    thread_stack,
};

pub(super) const ENTRY: Entry = Entry::explained(&PAGE);

const PAGE: Page = Page {
    cause: Cause::RlimitStack,
    known_as: &["RLIMIT_STACK", "ulimit -s", "LimitSTACK", "Max stack size"],
    errno: &["ENOMEM"],
    errno_note: Some(thread_stack::ERRNO_NOTE),
    scope: "the process",
    summary: "RLIMIT_STACK makes each thread's stack too large to be had",
    about: &[
        thread_stack::ABOUT,
        "glibc takes the soft RLIMIT_STACK (`ulimit -s`) at the program's start for the size of \
         each thread's stack. Set to many gigabytes, it asks for more than the address space, \
         RLIMIT_AS or the overcommit policy has, and the first threads fail already.",
    ],
    checks: &[
        check(
            "mm/util.c",
            "__vm_enough_memory",
            "5.10 to 7.3",
            "Overcommit mode 0 refuses one stack that is larger than RAM and swap together, mode \
             2 one that goes over CommitLimit; mprotect answers ENOMEM.",
        ),
        check(
            "mm/mmap.c",
            "may_expand_vm",
            "5.10 to 7.3",
            "RLIMIT_AS and RLIMIT_DATA count the stack with its full size.",
        ),
    ],
    exempt: "Threads with a stack size of their own (`pthread_attr_setstacksize`).",
    confirm: &[
        step(
            "See the limit that the program was started with; 8388608 is the usual one.",
            &["grep 'Max stack size' /proc/$PID/limits"],
        ),
        thread_stack::STRACE,
        step(
            "The size in the failing mmap is the stack with its guard. Compare it with:",
            &["grep -E 'MemTotal|SwapTotal|CommitLimit|Committed_AS' /proc/meminfo"],
        ),
    ],
    fix_now: &[step(
        "Start the program again from a shell with a lower limit; the running one has read it \
         already.",
        &["ulimit -Ss 8192"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "`systemctl edit` the unit, then restart it.",
        )
        .lines(&["[Service]", "LimitSTACK=8M:infinity"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-stack.conf` (KiB), for the user's next login.",
        )
        .lines(&["alice soft stack 8192"]),
        remedy(
            "program",
            "Set the size of stacks: `pthread_attr_setstacksize`, Java's `-Xss`, OpenMP's \
             `OMP_STACKSIZE`.",
        ),
    ],
    folklore: &[myth(
        "A larger ulimit -s cures failing threads.",
        "It makes each thread's stack larger, so fewer of them fit.",
    )],
    related: &[Cause::Overcommit, Cause::RlimitAs, Cause::RlimitData],
};
