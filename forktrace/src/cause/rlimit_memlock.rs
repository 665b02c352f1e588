//! RLIMIT_MEMLOCK after mlockall(MCL_FUTURE): a thread's stack could not be
//! locked.
//!
//! mm/mmap.c `do_mmap`.

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
    seen: |e| thread_stack::seen(e, Check::Memlock),
    exhausted: |e| thread_stack::exhausted(e, Check::Memlock),
    fix: fixes,
    summary,
    limits: &[LimitKind::RlimitMemlock],
    ..Entry::of_stacks(&PAGE)
};

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    let numbers = v.limit.as_ref().map(thread_stack::numbers_and_asked);
    format!(
        "{}everything it maps is locked (mlockall), up to RLIMIT_MEMLOCK: {}",
        subject.opening(),
        numbers.unwrap_or_default()
    )
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = v.limit.as_ref().and_then(thread_stack::roomier);
    let process = context.sources.process();
    vec![fix(
        target.and_then(|target| prlimit::command(process, "memlock", target)),
        "systemd: LimitMEMLOCK=; limits.conf: memlock; or smaller stacks (pthread_attr_setstacksize, Java's -Xss, ulimit -s)".to_owned(),
        "CAP_IPC_LOCK lifts it; locked stacks take RAM with their full size".to_owned(),
    )]
}

const PAGE: Page = Page {
    cause: Cause::RlimitMemlock,
    known_as: &[
        "RLIMIT_MEMLOCK",
        "ulimit -l",
        "LimitMEMLOCK",
        "Max locked memory",
    ],
    errno: &["EAGAIN"],
    errno_note: Some("From mmap, before pthread_create asks for a thread."),
    scope: "the process",
    summary: "a thread's stack would be locked memory beyond RLIMIT_MEMLOCK",
    about: &[
        thread_stack::ABOUT,
        "After mlockall(MCL_FUTURE) every new mapping is locked into RAM as a whole, thread \
         stacks included, and counts against RLIMIT_MEMLOCK (`ulimit -l`).",
        thread_stack::SPAWN,
    ],
    checks: &[check(
        "mm/mmap.c",
        "do_mmap",
        "5.10 to 7.3",
        "For a mapping that is to be locked: the locked pages and those asked for against \
         RLIMIT_MEMLOCK; mmap answers EAGAIN.",
    )],
    exempt: "CAP_IPC_LOCK.",
    confirm: &[
        step(
            "Compare the locked memory with the limit.",
            &[
                "grep VmLck /proc/$PID/status",
                "grep 'Max locked memory' /proc/$PID/limits",
            ],
        ),
        step(
            "Without this capability (bit 14 of CapEff) the limit applies.",
            &["grep CapEff /proc/$PID/status"],
        ),
        thread_stack::STRACE,
    ],
    fix_now: &[step(
        "Lift the limit of the running process.",
        &["prlimit --pid $PID --memlock=unlimited"],
    )],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "`systemctl edit` the unit, then restart it.",
        )
        .lines(&["[Service]", "LimitMEMLOCK=infinity"]),
        remedy(
            "limits.conf",
            "In `/etc/security/limits.d/90-memlock.conf`, for the user's next login.",
        )
        .lines(&["alice - memlock unlimited"]),
        remedy(
            "container runtime",
            "Docker and Podman: `--ulimit memlock=-1:-1` when the container is started.",
        ),
        remedy(
            "Kubernetes",
            "A pod has no field for it: LimitMEMLOCK= of the node's runtime, or `default_ulimits` \
             of CRI-O.",
        ),
        remedy(
            "program",
            "Smaller stacks, or lock what needs it with mlock rather than everything to come.",
        ),
    ],
    folklore: &[myth(
        "Locked memory makes fork fail.",
        "The child's copy isn't locked (mlockall isn't inherited): fork isn't affected.",
    )],
    related: &[Cause::RlimitAs, Cause::RlimitStack],
};
