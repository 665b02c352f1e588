//! RLIMIT_AS: a thread's stack could not be mapped.
//!
//! mm/mmap.c `may_expand_vm`. fork doesn't ask it.

use super::{
    Cause, Context, Entry, Subject, Verdict,
    knob::prlimit,
    page::{Page, check, myth, remedy, step},
    thread_stack,
    words::fix,
};
use crate::{
    evidence::thread_stack::Check,
    model::{Fix, LimitKind},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| thread_stack::seen(e, Check::AddressSpace),
    exhausted: |e| thread_stack::exhausted(e, Check::AddressSpace),
    fix: fixes,
    summary,
    limits: &[LimitKind::RlimitAs],
    ..Entry::of_stacks(&PAGE)
};

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let numbers = v.limit.as_ref().map(thread_stack::numbers_and_asked);
    format!(
        "{}its address space is at RLIMIT_AS: {}",
        subject.opening(),
        numbers.unwrap_or_default()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = v.limit.as_ref().and_then(thread_stack::roomier);
    let process = context.sources.process();
    vec![fix(
        target.and_then(|target| prlimit::command(process, "as", target)),
        "systemd: LimitAS=; limits.conf: as; or smaller stacks (pthread_attr_setstacksize, Java's -Xss, ulimit -s)".to_owned(),
        "it counts what is mapped, not what is used: stacks and reserved heaps with their full size".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::RlimitAs,
    known_as: &["RLIMIT_AS", "ulimit -v", "LimitAS", "Max address space"],
    errno: &["ENOMEM"],
    errno_note: Some(thread_stack::ERRNO_NOTE),
    scope: "the process",
    summary: "a thread's stack can't be mapped: the address space is at RLIMIT_AS",
    about: &[
        thread_stack::ABOUT,
        "RLIMIT_AS (`ulimit -v`) bounds the size of the whole address space, used or not. Each \
         thread's stack counts with its full size (8 MiB by default in glibc), and so do \
         reservations such as a Java heap.",
        thread_stack::SPAWN,
    ],
    checks: &[
        check(
            "mm/mmap.c",
            "may_expand_vm",
            "5.10 to 7.3",
            "The pages mapped already and those asked for against RLIMIT_AS; mmap answers ENOMEM.",
        ),
        check(
            "arch/x86/kernel/shstk.c",
            "shstk_alloc_thread_stack",
            "6.6+, x86-64",
            "A process with shadow stacks gets one mapped for each new thread, in clone itself: \
             there, clone does answer ENOMEM. On arm64 likewise (arch/arm64/mm/gcs.c, 6.13+).",
        ),
    ],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "Compare the size of the address space with the limit.",
            &[
                "grep VmSize /proc/$PID/status",
                "grep 'Max address space' /proc/$PID/limits",
            ],
        ),
        thread_stack::STRACE,
    ],
    fix_now: &[step(
        "Lift the limit of the running process.",
        &["prlimit --pid $PID --as=unlimited"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "`systemctl edit` the unit, then restart it. To bound memory that is really used, \
             MemoryMax= is the better limit.",
        )
        .lines(&["[Service]", "LimitAS=infinity"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-as.conf`, for the user's next login.",
        )
        .lines(&["alice - as unlimited"]),
        remedy(
            "program",
            "Smaller stacks: `pthread_attr_setstacksize`, Java's `-Xss`, or `ulimit -s` before \
             the program starts.",
        ),
    ],
    folklore: &[myth(
        "RLIMIT_AS makes fork fail.",
        "fork doesn't check it: fork, vfork and clone succeeded with RLIMIT_AS at 4096 bytes. \
         It is the mapping of a new thread's stack that fails.",
    )],
    related: &[
        Cause::RlimitData,
        Cause::MaxMapCount,
        Cause::RlimitStack,
        Cause::Overcommit,
    ],
};
