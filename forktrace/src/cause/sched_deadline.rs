//! A SCHED_DEADLINE task may not fork, unless SCHED_FLAG_RESET_ON_FORK is set.
//!
//! kernel/sched/core.c `sched_fork`. Also root, also threads.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::prlimit,
        page::{Page, check, myth, remedy, step},
        words::fix,
    },
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    turned_in_caller: true,
    ..Entry::of_creations(&PAGE)
};

impl Cause {
    /// What refuses every creation of a task under SCHED_DEADLINE; no limit says so.
    pub fn of_deadline() -> Self {
        ENTRY.cause()
    }
}

fn seen(e: &Evidence) -> Option<Finding> {
    let credentials = e.signs.child != Sign::NotSeen;
    if e.errno != Errno::EAGAIN || e.stage != Stage::Early || !e.deadline || !credentials {
        return None;
    }
    match e.signs.sched_reached {
        Sign::Seen => Finding::observed(None),
        Sign::NotSeen => None,
        // What is checked before comes first in the catalogue.
        Sign::Unwatched => Finding::inferred(None),
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno == Errno::EAGAIN && e.deadline {
        return Finding::inferred(None);
    }
    None
}

fn summary(_: &Verdict, subject: &Subject<'_>) -> String {
    format!(
        "{}it runs under SCHED_DEADLINE, which may not fork",
        subject.opening()
    )
}

fn fixes(_: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let lives = context.sources.process().is_some_and(prlimit::lives_on);
    let now = lives.then(|| format!("chrt --pid --other 0 {}", subject.caller.tid));
    vec![fix(
        now,
        "set SCHED_FLAG_RESET_ON_FORK in sched_setattr(2), or fork before taking SCHED_DEADLINE"
            .to_owned(),
        None,
    )]
}

const PAGE: Page = Page {
    cause: Cause::SchedDeadline,
    known_as: &["SCHED_DEADLINE"],
    errno: &["EAGAIN"],
    errno_note: None,
    scope: "no limit: the calling thread",
    summary: "a SCHED_DEADLINE task may not create tasks",
    about: &[
        "A task under SCHED_DEADLINE has a reserved share of processor time. A child can't have \
         the same share once more, so the kernel refuses to create one: processes and threads \
         alike, every time, until the policy changes.",
    ],
    checks: &[check(
        "kernel/sched/core.c",
        "sched_fork",
        "5.10 to 7.3",
        "The caller's priority is that of a deadline task, and SCHED_FLAG_RESET_ON_FORK isn't set.",
    )],
    exempt: "Tasks with SCHED_FLAG_RESET_ON_FORK, whose children start as SCHED_OTHER. Root is \
             not exempt.",
    confirm: &[step(
        "See the policy of each thread of the process: DLN is SCHED_DEADLINE.",
        &["ps -L -o tid,cls,comm -p $PID"],
    )],
    fix_now: &[step(
        "Take the policy back. With a thread's id in place of the process's, that thread only.",
        &["chrt --all-tasks --other --pid 0 $PID"],
    )],
    fix_for_good: &[remedy(
        "program",
        "Set SCHED_FLAG_RESET_ON_FORK in the `sched_flags` of sched_setattr(2), or create all \
         threads and processes before taking SCHED_DEADLINE.",
    )],
    folklore: &[myth(
        "EAGAIN means: try again later.",
        "Not here: the answer stays the same for as long as the policy does.",
    )],
    related: &[Cause::ExecInProgress, Cause::ThreadsMax],
};
