//! vm.max_map_count: a thread's stack could not be mapped.
//!
//! mm/mmap.c `do_mmap`, and `__split_vma` when mprotect splits the guard off.

use super::{
    Cause, Context, Entry, Subject, Verdict,
    knob::{sysctl, target},
    page::{Page, check, myth, remedy, step},
    thread_stack,
    words::numbers,
};
use crate::{
    evidence::thread_stack::Check,
    model::{Fix, LimitKind},
};

pub(super) const ENTRY: Entry = Entry {
    seen: |e| thread_stack::seen(e, Check::MapCount),
    exhausted: |e| thread_stack::exhausted(e, Check::MapCount),
    fix: fixes,
    summary,
    limits: &[LimitKind::MaxMapCount],
    ..Entry::of_stacks(&PAGE)
};

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let numbers = v.limit.as_ref().map(numbers).unwrap_or_default();
    format!(
        "{}it has {numbers} that vm.max_map_count allows each process",
        subject.opening()
    )
}

/// The kernel's own (include/linux/mm.h `DEFAULT_MAX_MAP_COUNT`): who has set less has lowered it.
const DEFAULT: u64 = 65_530;

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = target::tasks(v.limit.as_ref(), context).within(DEFAULT, u64::MAX);
    let now = target.command(|n| format!("sysctl -w vm.max_map_count={n}"));
    let note = "a thread takes two mappings, its stack and the guard; many more may be an allocator's or a leak";
    sysctl::fixes("vm.max_map_count", target, now, note.to_owned(), context)
}

const PAGE: Page = Page {
    cause: Cause::MaxMapCount,
    known_as: &["vm.max_map_count"],
    errno: &["ENOMEM"],
    errno_note: Some(thread_stack::ERRNO_NOTE),
    scope: "the process; one value for the host",
    summary: "a thread's stack can't be mapped: the process has vm.max_map_count maps",
    about: &[
        thread_stack::ABOUT,
        "vm.max_map_count bounds the number of mappings of each process, whatever their size. A \
         thread takes about two, its stack and the guard below it; memory-mapped files and \
         allocators take the rest. The default of 65530 is thus met near 32000 threads, or far \
         earlier.",
        thread_stack::SPAWN,
    ],
    checks: &[
        check(
            "mm/mmap.c",
            "do_mmap",
            "5.10 to 7.3",
            "`mm->map_count > sysctl_max_map_count`: mmap answers ENOMEM.",
        ),
        check(
            "mm/mmap.c",
            "__split_vma",
            "5.10 to 7.3",
            "`mm->map_count >= sysctl_max_map_count`, when mprotect splits the guard off: mprotect \
             answers ENOMEM. With stacks of one size next to each other it is this one that is \
             met first. In mm/vma.c by 7.3.",
        ),
    ],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "Compare the number of mappings with the limit.",
            &["wc -l /proc/$PID/maps", "sysctl vm.max_map_count"],
        ),
        step(
            "See what they are: many small anonymous ones (the empty name) are threads or an \
             allocator.",
            &["awk '{print $6}' /proc/$PID/maps | sort | uniq -c | sort -rn | head"],
        ),
        thread_stack::STRACE,
    ],
    fix_now: &[step(
        "Raise it; it holds at once, for running processes too.",
        &["sysctl -w vm.max_map_count=$N"],
    )],
    fix_for_good: &[
        remedy("sysctl.d", "Twice to four times the default is common.").run(&[
            "echo \"vm.max_map_count = $N\" > /etc/sysctl.d/90-max-map-count.conf",
            "sysctl --system",
        ]),
        remedy(
            "containers, Kubernetes",
            "It is the host's: no namespace has one of its own. Set it on each node.",
        ),
    ],
    folklore: &[myth(
        "max_map_count makes fork fail.",
        "fork copies mappings without this check: it succeeded with more than max_map_count of \
         them.",
    )],
    related: &[
        Cause::RlimitAs,
        Cause::RlimitData,
        Cause::ThreadsMax,
        Cause::Overcommit,
    ],
};
