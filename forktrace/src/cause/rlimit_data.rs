//! RLIMIT_DATA: a thread's stack could not be made writable.
//!
//! mm/mmap.c `may_expand_vm`, asked by mm/mprotect.c `mprotect_fixup`.

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
    seen: |e| thread_stack::seen(e, Check::Data),
    exhausted: |e| thread_stack::exhausted(e, Check::Data),
    fix: fixes,
    summary,
    limits: &[LimitKind::RlimitData],
    ..Entry::of_stacks(&PAGE)
};

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let numbers = v.limit.as_ref().map(thread_stack::numbers_and_asked);
    format!(
        "{}its private writable memory is at RLIMIT_DATA: {}",
        subject.opening(),
        numbers.unwrap_or_default()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = v.limit.as_ref().and_then(thread_stack::roomier);
    let process = context.sources.process();
    vec![fix(
        target.and_then(|target| prlimit::command(process, "data", target)),
        "systemd: LimitDATA=; limits.conf: data; or smaller stacks (pthread_attr_setstacksize, Java's -Xss, ulimit -s)".to_owned(),
        "it counts all private writable memory, not the heap alone".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::RlimitData,
    known_as: &["RLIMIT_DATA", "ulimit -d", "LimitDATA", "Max data size"],
    errno: &["ENOMEM"],
    errno_note: Some(thread_stack::ERRNO_NOTE),
    scope: "the process",
    summary: "a thread's stack can't be made writable: RLIMIT_DATA is reached",
    about: &[
        thread_stack::ABOUT,
        "RLIMIT_DATA (`ulimit -d`) bounds all private writable memory, not the heap alone. A \
         stack begins to count when mprotect makes it writable, so it is mprotect that fails.",
        thread_stack::SPAWN,
    ],
    checks: &[check(
        "mm/mmap.c",
        "may_expand_vm",
        "5.10 to 7.3",
        "The private writable pages in use and those asked for against RLIMIT_DATA; \
         `mprotect_fixup` answers ENOMEM, and mmap for a stack without guard. The boot option `ignore_rlimit_data` turns it off.",
    )],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "Compare the private writable memory with the limit.",
            &[
                "grep VmData /proc/$PID/status",
                "grep 'Max data size' /proc/$PID/limits",
            ],
        ),
        step(
            "The kernel says it once after each boot, for the first process.",
            &["dmesg | grep 'exceed data ulimit'"],
        ),
        thread_stack::STRACE,
    ],
    fix_now: &[step(
        "Lift the limit of the running process.",
        &["prlimit --pid $PID --data=unlimited"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "`systemctl edit` the unit, then restart it. To bound memory that is really used, \
             MemoryMax= is the better limit.",
        )
        .lines(&["[Service]", "LimitDATA=infinity"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-data.conf`, for the user's next login.",
        )
        .lines(&["alice - data unlimited"]),
    ],
    folklore: &[
        myth(
            "RLIMIT_DATA makes fork fail.",
            "fork doesn't check it: fork, vfork and clone succeeded with RLIMIT_DATA at 4096 \
             bytes.",
        ),
        myth(
            "RLIMIT_DATA bounds the heap that brk grows.",
            "It bounds every private writable mapping, thread stacks included.",
        ),
    ],
    related: &[
        Cause::RlimitAs,
        Cause::MaxMapCount,
        Cause::RlimitStack,
        Cause::Overcommit,
    ],
};
