//! kernel.threads-max: tasks on the host, kernel threads included. Nobody is
//! exempt, not even root.
//!
//! kernel/fork.c `copy_process`: `nr_threads >= max_threads`.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        knob::{sysctl, target},
        limits,
        page::{Page, check, myth, remedy, step},
        words::numbers,
    },
    evidence::{Evidence, Sign, Stage},
    model::{Errno, Fix, LimitKind, Operation},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[LimitKind::ThreadsMax],
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN || e.stage != Stage::Early {
        return None;
    }
    let limit = e.threads.as_ref().map(limits::threads);
    // A kernel thread is answered EAGAIN for want of memory as well (kernel/fork.c
    // `set_kthread_struct`).
    let of_kernel = e.operation == Operation::KernelThread;
    match (e.signs.nproc_asked, e.signs.sched_reached) {
        (Sign::Seen, _) | (_, Sign::Seen) => None,
        // It comes behind `copy_creds`.
        _ if e.signs.child == Sign::NotSeen => None,
        _ if e.signs.capability_denied || of_kernel => {
            Finding::inferred(limit.filter(|_| e.threads_full())?)
        }
        _ if e.admin_may_have_been_denied() => None,
        // RLIMIT_NPROC didn't refuse, and the scheduler wasn't asked: nothing else is
        // between the two.
        (Sign::NotSeen, Sign::NotSeen) => Finding::observed(limit),
        (Sign::NotSeen, Sign::Unwatched) if !e.deadline => Finding::observed(limit),
        // By the numbers.
        _ => {
            let nproc = e.signs.nproc_asked == Sign::Unwatched && e.full_nproc().is_some();
            Finding::inferred(limit.filter(|_| e.threads_full() && !nproc)?)
        }
    }
}

fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::EAGAIN {
        return None;
    }
    let threads = e.threads.filter(|t| t.full())?;
    Finding::inferred(limits::threads(&threads))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    match v.limit.as_ref().filter(|limit| limit.usage.is_some()) {
        Some(limit) => format!(
            "{}the host has {} that kernel.threads-max allows",
            subject.opening(),
            numbers(limit)
        ),
        None => format!(
            "{}the host has as many tasks as kernel.threads-max allows",
            subject.opening()
        ),
    }
}

fn fixes(v: &Verdict, _: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let target = target::wanted(v.limit.as_ref(), context);
    let key = "kernel.threads-max";
    let now = target.command(|n| sysctl::write(key, n));
    let note = "it binds root as well; kernel.pid_max has to be at least as high to be of use";
    sysctl::fixes(key, target, now, note.to_owned(), context)
}

const PAGE: Page = Page {
    cause: Cause::ThreadsMax,
    known_as: &["kernel.threads-max"],
    errno: &["EAGAIN"],
    errno_note: None,
    scope: "the host",
    summary: "the host has as many tasks as kernel.threads-max allows",
    about: &[
        "kernel.threads-max bounds all tasks of the host together: processes, threads and kernel \
         threads, of all users and containers. The kernel sets it at boot from the size of RAM, \
         so it is low on small machines.",
        "Kernel threads and helpers are refused as well: at the limit a core dump that is piped \
         to a helper (`core_pattern`) is lost without a word.",
    ],
    checks: &[check(
        "kernel/fork.c",
        "copy_process",
        "5.10 to 7.3",
        "Inline: `nr_threads >= max_threads`. It is read without a lock, so the count can go over \
         by a few.",
    )],
    exempt: "Nobody, not even root.",
    confirm: &[
        step(
            "Compare the limit with the tasks that exist: the number behind the slash.",
            &["sysctl kernel.threads-max", "cut -d' ' -f4 /proc/loadavg"],
        ),
        step(
            "See who has most threads.",
            &["ps -eo nlwp,pid,user,comm --sort=-nlwp | head"],
        ),
    ],
    fix_now: &[step(
        "Raise it, or end what holds the threads; a shell does this without a process of its own. A \
         task needs an id too: kernel.pid_max has to be higher than this.",
        &["echo $N > /proc/sys/kernel/threads-max"],
    )],
    fix_for_good: &[
        remedy(
            "sysctl.d",
            "On the host; each thread costs kernel memory, 16 KiB of stack at least. Of several \
             files that set it the last by name counts. NixOS: `boot.kernel.sysctl` in its configuration.",
        )
        .run(&[
            "echo \"kernel.threads-max = $N\" > /etc/sysctl.d/90-threads-max.conf",
            "sysctl --system",
        ]),
        remedy(
            "systemd unit",
            "Bound the unit that leaks threads, so that it meets its own limit first.",
        )
        .run(&["systemctl set-property $UNIT TasksMax=$N"]),
        remedy(
            "containers, Kubernetes",
            "It is the host's: no namespace has one of its own. Give containers a pids limit \
             (`--pids-limit`, kubelet's `podPidsLimit`), so that one can't use up the node.",
        ),
    ],
    folklore: &[
        myth(
            "It is the number of threads that one process may have.",
            "It is the number of all tasks of the host, kernel threads included.",
        ),
        myth("Root can always fork.", "This check exempts nobody."),
    ],
    related: &[Cause::PidMax, Cause::RlimitNproc, Cause::CgroupPidsMax],
};
