//! No verdict: what that means, and how to get on.

use super::{
    Cause, Subject, Verdict,
    entry::{AboutMemory, Entry, Of},
    page::{Page, check, remedy, step},
    words::numbers,
};

pub(super) const ENTRY: Entry = Entry {
    memory: AboutMemory::WithEnomem,
    of: Of::Rest,
    summary,
    ..Entry::explained(&PAGE)
};

fn summary(verdict: &Verdict, subject: &Subject<'_>) -> String {
    let fullest = verdict
        .candidates
        .iter()
        .find(|candidate| candidate.fullness().is_some_and(|f| f >= 0.9));
    let rest = match fullest {
        Some(limit) => format!(
            "the refusing check was not seen; the fullest limit is {} of {} at {}",
            limit.kind,
            limit.owner,
            numbers(limit)
        ),
        None => {
            "the refusing check was not seen, and no limit that forktrace knows is near".to_owned()
        }
    };
    subject.opening() + &rest
}

const PAGE: Page = Page {
    cause: Cause::Unknown,
    known_as: &[],
    errno: &["EAGAIN", "ENOMEM"],
    errno_note: None,
    scope: "not known",
    summary: "the refusing check was not seen, and no limit explains the errno",
    about: &[
        "forktrace names a cause when it saw the check refuse, or when exactly one limit was \
         exhausted at the failing return. Otherwise it says unknown, and lists every limit with \
         its numbers, fullest first: those with room are ruled out.",
        "It happens when evidence is missing (see `forktrace probes`), when many tasks are \
         refused at once on a kernel that preempts itself, when the room came back before the \
         numbers were read, when a security module refused with ENOMEM, or a thread, or when the \
         limit is set outside this machine, as by OpenVZ.",
    ],
    checks: &[check(
        "kernel/fork.c",
        "copy_process",
        "5.10 to 7.3",
        "One of its steps; the record's errno leaves the causes below.",
    )],
    exempt: "Nobody.",
    confirm: &[
        step(
            "See which evidence this kernel gives, and which is absent and why.",
            &["forktrace probes"],
        ),
        step(
            "Trace again with every limit shown, and in the style that misses least in a storm.",
            &["forktrace live --verbose --attach kprobe"],
        ),
        step(
            "Read what the kernel itself logged.",
            &["dmesg -T | grep -Ei 'fork|oom|memory' | tail -n 20"],
        ),
    ],
    fix_now: &[step(
        "EAGAIN: look at rlimit_nproc, cgroup_pids_max, pid_max and threads_max, in this order. \
         ENOMEM: at overcommit, cgroup_memory_max and pid_namespace_dead. A pthread_create that \
         failed without any failing clone: at the causes with the process as their scope.",
        &["forktrace explain"],
    )],
    fix_for_good: &[remedy(
        "forktrace",
        "A refusal that stays unknown in the style fexit or kprobe is worth a report: the record, \
         the kernel's version, and the output of `forktrace probes`.",
    )],
    folklore: &[],
    related: &[
        Cause::RlimitNproc,
        Cause::CgroupPidsMax,
        Cause::PidMax,
        Cause::ThreadsMax,
        Cause::Overcommit,
        Cause::CgroupMemoryMax,
        Cause::PidNamespaceDead,
    ],
};
