//! A memory cgroup is at its limit, and its OOM killer found nobody to kill:
//! every task in it has oom_score_adj -1000, or is dying already.
//!
//! mm/memcontrol.c `try_charge_memcg` (5.10 `try_charge`) and
//! `mem_cgroup_out_of_memory`.

use crate::{
    cause::{
        Cause, Context, Entry, Finding, Subject, Verdict,
        entry::AboutMemory,
        knob::{
            cgroup::{MEMORY, binds, lasting},
            target,
        },
        limits, outside,
        page::{Page, check, myth, remedy, step},
        words::{fix, numbers, shell_word},
    },
    evidence::{CgroupLimit, Evidence, Overcommit, Sign, Stage},
    host::oom_score::Unkillable,
    model::{Errno, Fix, Limit, LimitKind},
};

pub(super) const ENTRY: Entry = Entry {
    seen,
    exhausted,
    fix: fixes,
    summary,
    limits: &[
        LimitKind::MemoryMax,
        LimitKind::MemoryLimit,
        LimitKind::MemorySwapLimit,
    ],
    memory: AboutMemory::Always,
    ..Entry::of_creations(&PAGE)
};

fn seen(e: &Evidence) -> Option<Finding> {
    let is_unseen = matches!(
        e.stage,
        Stage::Unseen | Stage::NotEntered | Stage::MaybeNotEntered
    );
    if e.errno != Errno::ENOMEM || is_unseen {
        return None;
    }
    if let Some(cgroup) = &e.memory_refused {
        return Finding::observed(refusing(e, cgroup));
    }
    // Without an OOM killer (v1) nothing is asked; the numbers must do. A full
    // cgroup that has one would have killed, and let the creation go on.
    let full = e.full_memory().filter(|c| c.oom_kill_disable)?;
    // What else is known to answer ENOMEM at this stage.
    let overcommit = match e.signs.overcommit_refused {
        Sign::Seen => true,
        Sign::NotSeen => false,
        Sign::Unwatched => {
            e.stage == Stage::SighandToNamespaces
                && !e.shares_vm
                && e.overcommit
                    .as_ref()
                    .is_some_and(Overcommit::seems_to_refuse_copy)
        }
    };
    let another = e.kernel_memory_near.is_some() || e.huge_pages.is_some();
    if overcommit || another || explained_by_pid_ns(e) {
        return None;
    }
    Finding::inferred(limits::memory(full))
}

/// The limit for which the OOM killer was called, and found nobody. In v1 that can be the one of memory and swap
/// together (mm/memcontrol.c `try_charge_memcg` asks it first), which isn't read: where the other one has room by now,
/// what was in use isn't known.
fn refusing(e: &Evidence, cgroup: &CgroupLimit) -> Limit {
    let mut limit = limits::memory(cgroup);
    if limit.kind == LimitKind::MemoryLimit && !e.is_full_of_memory(cgroup) {
        limit.usage = None;
    }
    limit
}

/// Whether it can have been v1's other limit that refused.
fn may_be_of_swap(limit: &Limit) -> bool {
    limit.kind == LimitKind::MemoryLimit && limit.usage.is_none()
}

/// A pid namespace without init refuses for certain where it is come to.
pub(super) fn explained_by_pid_ns(e: &Evidence) -> bool {
    matches!(
        e.stage,
        Stage::IoToPid | Stage::AfterCgroups | Stage::Unseen
    ) && e.dead_pid_ns().is_some()
}

/// The OOM killer was called between enter and return, in one of its memory cgroups or in another below the
/// topmost of them, and one of them is full: the creation was not let go on.
fn exhausted(e: &Evidence) -> Option<Finding> {
    if e.errno != Errno::ENOMEM || e.memory_delta? <= 0 {
        return None;
    }
    Finding::inferred(limits::memory(e.full_memory_with_events()?))
}

fn summary(v: &Verdict, subject: &Subject<'_>) -> String {
    match &v.limit {
        Some(limit) if may_be_of_swap(limit) => format!(
            "{}memory cgroup {} was full, of memory or of memory and swap together, and its OOM killer found no victim",
            subject.opening(),
            limit.owner
        ),
        Some(limit) => format!(
            "{}memory cgroup {} is full ({}), and its OOM killer is off or found no victim",
            subject.opening(),
            limit.owner,
            numbers(limit)
        ),
        None => format!("{}its memory cgroup is full", subject.opening()),
    }
}

fn fixes(v: &Verdict, subject: &Subject<'_>, context: &Context) -> Vec<Fix> {
    let Some(limit) = &v.limit else {
        return Vec::new();
    };
    let target = target::bytes(Some(limit), context);
    let file = limit.file.as_deref().filter(|_| !may_be_of_swap(limit));
    let file = file.and_then(shell_word);
    let now = file.and_then(|file| target.command(|n| format!("echo {n} > {file}")));
    let raise = lasting(limit, &MEMORY, target, context);
    let mut fixes = match context.unkillable.as_ref().and_then(spared) {
        // Whatever the limit, it fills again: nobody can be killed at it.
        Some((why, change)) => {
            let mut fixes = outside::fixes(limit, subject, context, fix(now, change, why));
            fixes.push(fix(
                None,
                None,
                format!("a higher limit only lasts longer: {raise}"),
            ));
            fixes
        }
        None => {
            let none_spared = context
                .unkillable
                .as_ref()
                .is_some_and(|u| u.all > 0 && u.never == 0);
            let note = match none_spared {
                true => ALL_DYING,
                false => "processes with oom_score_adj -1000 can't be killed to make room",
            };
            outside::fixes(limit, subject, context, fix(now, raise, note.to_owned()))
        }
    };
    fixes.extend(binds(&limit.owner, &MEMORY).map(|note| fix(None, None, note)));
    if limit.kind == LimitKind::MemoryLimit {
        let note = match may_be_of_swap(limit) {
            true => BOTH_LIMITS,
            false => NOT_ABOVE,
        };
        fixes.push(fix(None, None, note.to_owned()));
    }
    fixes
}

/// mm/oom_kill.c `oom_evaluate_task` passes over what has been killed and reaped already (MMF_OOM_SKIP).
const ALL_DYING: &str = "none of its processes has oom_score_adj -1000 now: what the OOM killer could take may have been \
     dying already, and a fork that is tried again passes then";

const BOTH_LIMITS: &str = "cgroup v1 limits memory and swap together by a second file, memory.memsw.limit_in_bytes (Docker: \
     --memory-swap): compare both with memory.usage_in_bytes and memory.memsw.usage_in_bytes";

/// mm/memcontrol.c (6.11+: memcontrol-v1.c) `mem_cgroup_resize_max`.
const NOT_ABOVE: &str = "the kernel takes nothing above memory.memsw.limit_in_bytes (Docker: --memory-swap), where there is \
     one: if that is as low, raise it first";

/// Why there is no victim, where it is so for most of the processes, and what to change.
fn spared(u: &Unkillable) -> Option<(String, String)> {
    if u.never == 0 || u.never * 2 < u.all {
        return None;
    }
    let many = match u.never == u.all {
        true => format!("all {} of its processes have", u.all),
        false => format!("{} of its {} processes have", u.never, u.all),
    };
    let (from, whose) = match &u.from {
        Some(from) => {
            let who = format!("{} (pid {})", from.comm, from.pid);
            match &from.unit {
                Some(unit) => (format!(", inherited from {who} of {unit}"), unit.clone()),
                None => (
                    format!(", inherited from {who}"),
                    format!("what starts {who}"),
                ),
            }
        }
        None => (
            ", which is inherited by all that a process starts".to_owned(),
            "what starts them".to_owned(),
        ),
    };
    Some((
        format!("{many} oom_score_adj -1000{from}: none of these can be killed to make room"),
        format!("OOMScoreAdjust= of {whose} (or oom_score_adj as it sets it): another than -1000"),
    ))
}

const PAGE: Page = Page {
    cause: Cause::CgroupMemoryMax,
    known_as: &[
        "memory.max",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "MemoryMax",
        "MemoryLimit",
        "limits.memory",
    ],
    errno: &["ENOMEM"],
    errno_note: None,
    scope: "the caller's cgroup, or one above it",
    summary: "a memory cgroup is full, and its OOM killer found nobody to kill",
    about: &[
        "The kernel stack, the task structure and the page tables of a new task are charged to \
         the caller's memory cgroup and to each one above. At memory.max the kernel reclaims, then \
         the cgroup's OOM killer ends a task, and fork succeeds. Only when there is no victim \
         does fork answer ENOMEM: every task in it has oom_score_adj -1000, or those that could \
         be killed are dying already.",
        "cgroup v1 answers ENOMEM at memory.limit_in_bytes, too, when its OOM killer is turned \
         off (memory.oom_control).",
    ],
    checks: &[
        check(
            "mm/memcontrol.c",
            "try_charge_memcg",
            "5.10 to 7.3",
            "Usage and the charge against memory.max of each cgroup on the way up. 5.10 calls it \
             `try_charge`.",
        ),
        check(
            "mm/memcontrol.c",
            "mem_cgroup_out_of_memory",
            "5.10 to 7.3",
            "False: no victim. Then, and only then, the charge fails.",
        ),
    ],
    exempt: "Tasks in the root cgroup. Root (uid 0) is not exempt. With CLONE_INTO_CGROUP it is \
             still the caller's cgroup that is charged.",
    confirm: &[
        step(
            "On the host, show use, limit and events of each cgroup on the way up; `oom` rises in \
             the full one with each refusal, `oom_kill` doesn't.",
            &[
                "d=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$PID/cgroup)",
                "while [ ${#d} -gt 14 ]; do",
                "  grep -sH . \"$d\"/memory.current \"$d\"/memory.max",
                "  grep -sHE '^(max|oom|oom_kill) ' \"$d\"/memory.events.local",
                "  d=${d%/*}",
                "done",
            ],
        ),
        step(
            "See whom the OOM killer may not take: all at -1000 is this cause.",
            &[
                "for p in $(find $CG -name cgroup.procs -exec cat {} +); do",
                "  echo \"$p $(cat /proc/$p/oom_score_adj /proc/$p/comm | xargs)\"",
                "done",
            ],
        ),
        step(
            "The kernel log says so.",
            &["dmesg -T | grep 'no killable processes'"],
        ),
    ],
    fix_now: &[
        step(
            "Raise it in the cgroup that refuses (bytes, or with K, M, G).",
            &["echo $N > $CG/memory.max"],
        ),
        step(
            "Or, where systemd owns that cgroup:",
            &["systemctl set-property --runtime $UNIT MemoryMax=$N"],
        ),
        step(
            "Or let the OOM killer take a process that can be spared.",
            &["echo 0 > /proc/$PID/oom_score_adj"],
        ),
    ],
    fix_for_good: &[
        remedy(
            "systemd unit",
            "Name the unit, or the slice, whose cgroup is full; and don't give every process of \
             it OOMScoreAdjust=-1000.",
        )
        .run(&["systemctl set-property $UNIT MemoryMax=$N"]),
        remedy(
            "container runtime",
            "Docker: as here, or `--memory` when the container is started; without \
             `--oom-kill-disable` (v1).",
        )
        .run(&["docker update --memory $N --memory-swap $((2*N)) $CONTAINER"]),
        remedy(
            "LXC, Incus",
            "Without Incus: `lxc.cgroup2.memory.max` in the container's configuration.",
        )
        .run(&["incus config set $CONTAINER limits.memory $N"]),
        remedy(
            "Kubernetes",
            "`resources.limits.memory` of the container; create the pod again. Where `kubepods` \
             itself is full, it is the node: what kubelet reserves (`systemReserved`, \
             `kubeReserved`), or fewer pods.",
        ),
    ],
    folklore: &[
        myth(
            "MemoryMax makes fork fail.",
            "As a rule it makes the OOM killer end a task, and fork succeeds.",
        ),
        myth(
            "MemoryHigh makes fork fail.",
            "memory.high slows down and reclaims; it refuses nothing.",
        ),
        myth(
            "No OOM kill in the log, so it isn't the memory cgroup.",
            "The refusal is what happens when there is nobody to kill.",
        ),
    ],
    related: &[
        Cause::CgroupKernelMemoryMax,
        Cause::Overcommit,
        Cause::KernelMemory,
        Cause::FatalSignal,
    ],
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Certainty, Cgroup, Operation, Owner, Unit, caller::tests::caller};

    fn notes(kind: LimitKind, usage: Option<u64>, unkillable: Option<Unkillable>) -> Vec<String> {
        let limit = Limit {
            value: Some(100 << 20),
            usage,
            file: Some(format!("/m/{kind}")),
            ..Limit::new(kind, Owner::cgroup("/a"), Unit::Bytes)
        };
        let verdict = Verdict {
            cause: Cause::CgroupMemoryMax,
            certainty: Certainty::Observed,
            limit: Some(limit),
            candidates: Vec::new(),
        };
        let subject = Subject {
            caller: &caller(),
            cgroup: &Cgroup::default(),
            operation: Operation::Process,
            errno: Errno::ENOMEM,
            target: None,
        };
        let context = Context {
            unkillable,
            ..Context::default()
        };
        let fixes = fixes(&verdict, &subject, &context).into_iter();
        fixes
            .flat_map(|fix| [fix.now, fix.note].into_iter().flatten())
            .collect()
    }

    fn has(notes: &[String], part: &str) -> bool {
        notes.iter().any(|note| note.contains(part))
    }

    #[test]
    fn nobody_is_spared_where_all_could_be_killed() {
        let of = |never| {
            Some(Unkillable {
                all: 9,
                never,
                from: None,
            })
        };
        let full = Some(100 << 20);
        let told = |unkillable| notes(LimitKind::MemoryMax, full, unkillable);
        assert!(has(&told(of(0)), "may have been dying already"));
        for unkillable in [None, of(2)] {
            let told = told(unkillable);
            assert!(has(&told, "can't be killed to make room"), "{told:?}");
        }
        assert!(has(&told(of(9)), "all 9 of its processes have"));
    }

    #[test]
    fn of_two_limits_of_v1_none_is_proposed_that_has_room() {
        let told = |kind, usage| notes(kind, usage, None);
        let v1 = told(LimitKind::MemoryLimit, Some(100 << 20));
        assert!(has(&v1, "echo ") && has(&v1, NOT_ABOVE), "{v1:?}");
        let either = told(LimitKind::MemoryLimit, None);
        assert!(
            !has(&either, "echo ") && has(&either, BOTH_LIMITS),
            "{either:?}"
        );
        let v2 = told(LimitKind::MemoryMax, Some(100 << 20));
        assert!(has(&v2, "echo ") && !has(&v2, "memsw"), "{v2:?}");
    }
}
