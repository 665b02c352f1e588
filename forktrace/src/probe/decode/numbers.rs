//! An event's numbers as evidence, and what /proc adds where it lacks them.

use forktrace_common::{
    clone,
    event::{self, FailureEvent, flag},
    facts::fact,
};

use crate::{
    arch::Page,
    evidence::{NprocLevel, Overcommit, OvercommitMode, PidNs, Refused, Sign, Signs, Threads},
    host::{
        limits::{HostNow, Lacking},
        mappings,
    },
    model::{Errno, Operation},
    probe::stacks,
};

/// What was to be created, or else refused.
pub(super) fn operation(event: &FailureEvent) -> Operation {
    let f = event.flags;
    if matches!(
        event::Stage::from_u8(event.stage),
        event::Stage::Exec | event::Stage::ExecUnseen
    ) {
        Operation::Exec
    } else if stacks::call(event).is_some() {
        Operation::ThreadStack
    } else if f & flag::IO_THREAD != 0 {
        Operation::IoWorker
    } else if f & (flag::KERNEL_FN | flag::CALLER_KTHREAD) != 0 {
        Operation::KernelThread
    } else if event.clone_flags & clone::THREAD != 0 {
        Operation::Thread
    } else if event.clone_flags & clone::VFORK != 0 {
        Operation::Vfork
    } else {
        Operation::Process
    }
}

/// CLONE_* as `copy_process()` has them: styles that read what the caller asked
/// for don't see what `kernel_clone()` adds.
pub(super) fn clone_flags(event: &FailureEvent) -> u64 {
    match event.clone_flags & clone::EMPTY_MNTNS {
        0 => event.clone_flags,
        _ => event.clone_flags | clone::NEWNS,
    }
}

/// RLIMIT_NPROC on each level of user namespaces, the caller's own first.
pub(super) fn nproc(event: &FailureEvent) -> Vec<NprocLevel> {
    event
        .user_ns
        .iter()
        .take(usize::from(event.user_ns_len))
        .map(|l| NprocLevel {
            usage: l.usage.max(0) as u64,
            limit: nproc_limit(l.limit),
            uid: l.uid,
            userns: (l.inum != 0).then_some(l.inum),
            limit_userns: (l.limit_ns != 0).then_some(l.limit_ns),
        })
        .collect()
}

/// `None`: RLIM_INFINITY, or LONG_MAX of a namespace that sets no limit.
fn nproc_limit(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|&n| n < i64::MAX as u64)
}

/// The level that had no room, with the numbers of that comparison. With
/// CLONE_NEWUSER the way begins in the new namespace, so its levels are others than
/// the caller's.
pub(super) fn nproc_full(event: &FailureEvent, levels: &[NprocLevel]) -> Option<NprocLevel> {
    let facts = &event.facts;
    if facts.bits & fact::NPROC_FULL == 0 {
        return None;
    }
    let level = usize::from(facts.nproc_level);
    let own = if facts.bits & fact::NEW_USER_NS == 0 {
        levels.get(level)
    } else {
        level.checked_sub(1).and_then(|above| levels.get(above))
    };
    Some(NprocLevel {
        usage: facts.nproc_usage.max(0) as u64,
        limit: nproc_limit(facts.nproc_limit),
        uid: facts.nproc_uid,
        userns: own.and_then(|level| level.userns),
        limit_userns: (facts.nproc_limit_ns != 0).then_some(facts.nproc_limit_ns),
    })
}

/// What the kernel's side could not read, for want of its variables' addresses.
pub(super) fn lacking(event: &FailureEvent, errno: Errno) -> Lacking {
    let has = |flag| event.flags & flag != 0;
    Lacking {
        threads: event.facts.bits & fact::HAVE_THREADS == 0,
        pid_max: !has(flag::HAVE_PID_MAX),
        overcommit: !has(flag::HAVE_OVERCOMMIT),
        strict: has(flag::HAVE_OVERCOMMIT)
            && u64::try_from(event.overcommit.mode).map(OvercommitMode::from_number)
                == Ok(OvercommitMode::Never),
        no_memory: errno == Errno::ENOMEM,
    }
}

/// The tasks that there are, and kernel.threads-max.
pub(super) fn threads(event: &FailureEvent, host: &HostNow) -> Option<Threads> {
    if event.facts.bits & fact::HAVE_THREADS != 0 {
        return Some(Threads {
            now: event.facts.nr_threads.max(0) as u64,
            max: event.facts.max_threads.max(0) as u64,
        });
    }
    Some(Threads {
        now: host.threads?,
        max: host.threads_max?,
    })
}

const PIDNS_ADDING: u32 = 1 << 31; // include/linux/pid_namespace.h

/// The caller's pid namespaces, innermost first; of the host's ids below 300 `first` are in use.
pub(super) fn pid_namespaces(event: &FailureEvent, host: &HostNow, first: u64) -> Vec<PidNs> {
    let knows_pid_max = event.flags & flag::HAVE_PID_MAX != 0;
    let global = if knows_pid_max {
        u64::try_from(event.pid_max).ok()
    } else {
        host.pid_max
    };
    event
        .pid_ns
        .iter()
        .take(usize::from(event.pid_ns_len))
        .enumerate()
        .map(|(level, ns)| {
            let compared = knows_pid_max || ns.pid_max != 0;
            let seen_full = event.facts.bits & fact::PID_FULL != 0
                && usize::from(event.facts.pid_level) == level;
            let mut ns = PidNs {
                full: seen_full,
                inum: ns.inum,
                level: ns.level,
                dead: ns.allocated & PIDNS_ADDING == 0,
                allocated: u64::from(ns.allocated & !PIDNS_ADDING),
                first: if ns.level == 0 { first } else { 0 },
                pid_max: match ns.pid_max {
                    0 => global,
                    own => Some(u64::from(own)),
                },
            };
            // Where the kernel's side had nothing to compare with (a kernel that doesn't show its variables'
            // addresses), by count. In other namespaces ids below 300 are not known apart.
            ns.full |= !compared && ns.level == 0 && ns.is_full_by_count();
            ns
        })
        .collect()
}

const KIB: u64 = 1024;

/// A number of pages that is no number where it is negative, in bytes.
fn positive(page: Page, pages: i64) -> u64 {
    page.times(pages.max(0) as u64)
}

/// Usage and limit of a memory cgroup, in bytes.
pub(super) fn memory(limit: &event::CgroupLimit, page: Page) -> (u64, Option<u64>) {
    // PAGE_COUNTER_MAX (include/linux/page_counter.h): no limit.
    let bound = limit.limit < i64::MAX >> page.shift();
    (
        positive(page, limit.usage),
        bound.then(|| positive(page, limit.limit)),
    )
}

/// mm/util.c `vm_commit_limit()`: huge pages don't count as RAM.
fn commit_limit(o: &event::Overcommit, huge: u64, page: Page) -> Option<u64> {
    let made_of = if o.kbytes != 0 {
        page.whole(o.kbytes.saturating_mul(KIB))
    } else {
        let pages = page.times(o.totalram).saturating_sub(huge) / page.bytes();
        page.times(pages * u64::try_from(o.ratio).ok()? / 100)
    };
    Some(positive(page, o.swap).saturating_add(made_of))
}

/// What the overcommit policy compared; `None` where there is nothing to copy, or it isn't known.
pub(super) fn overcommit(
    event: &FailureEvent,
    errno: Errno,
    host: &HostNow,
    signs: &Signs,
    proc_is_hosts: bool,
) -> Option<Overcommit> {
    let o = &event.overcommit;
    if o.total_vm == 0 {
        // A kernel thread, or no kernel types: nothing to copy, or not known.
        return None;
    }
    let page = Page::here();
    let total_vm = page.times(o.total_vm);
    let (mode, committed, limit, ram_and_swap, admin, user);
    if event.flags & flag::HAVE_OVERCOMMIT != 0 {
        mode = u64::try_from(o.mode).ok()?;
        committed = positive(page, o.committed);
        limit = commit_limit(o, host.hugetlb.unwrap_or(0) * KIB, page)?;
        ram_and_swap = page.times(o.totalram) + positive(page, o.swap);
        admin = o.admin_reserve_kbytes * KIB;
        user = o.user_reserve_kbytes * KIB;
    } else {
        mode = host.overcommit_memory?;
        committed = host.committed? * KIB;
        limit = host.commit_limit? * KIB;
        ram_and_swap = (host.mem_total? + host.swap_total?) * KIB;
        admin = host.admin_reserve_kbytes? * KIB;
        user = host.user_reserve_kbytes? * KIB;
    }
    let mode = OvercommitMode::from_number(mode);
    let copies = errno == Errno::ENOMEM
        && event.clone_flags & clone::VM == 0
        && stacks::call(event).is_none()
        && proc_is_hosts;
    let refused = (signs.overcommit_refused == Sign::Seen).then(|| Refused {
        requested: positive(page, event.facts.overcommit_pages),
        committed: positive(page, event.facts.overcommit_committed),
    });
    // Reading what a fork promises takes time: where it decides.
    let private_writable = page.times(o.data_vm + o.stack_vm);
    let decides = copies
        && signs.overcommit_refused == Sign::Unwatched
        && match mode {
            OvercommitMode::Always => false,
            OvercommitMode::Never => committed + total_vm >= limit.saturating_sub(user),
            OvercommitMode::Heuristic => total_vm > ram_and_swap,
        };
    let accounted = decides.then(|| mappings::accounted(event.tgid)).flatten();
    Some(Overcommit {
        mode,
        committed,
        commit_limit: limit,
        admin_reserve: if event.flags & flag::CAP_SYS_ADMIN != 0 {
            0
        } else {
            admin
        },
        user_reserve: user.min(total_vm / 32),
        ram_and_swap,
        total_vm,
        private_writable,
        huge: host.hugetlb.unwrap_or(0) * KIB,
        largest_mapping: accounted.map(|a| a.largest),
        refused,
        accounted: accounted.map(|a| a.sum),
    })
}

#[cfg(test)]
mod tests {
    use forktrace_common::event;

    use super::{commit_limit, memory, pid_namespaces};
    use crate::arch::Page;
    use crate::host::limits::HostNow;
    use crate::probe::decode::event_of;

    const SIZES: [Page; 3] = [Page::KIB_4, Page::KIB_16, Page::KIB_64];

    #[test]
    fn a_memory_cgroup_counts_in_pages_of_any_size() {
        for page in SIZES {
            let limit = event::CgroupLimit {
                usage: 600,
                limit: 608,
                ..event::CgroupLimit::default()
            };
            assert_eq!(
                memory(&limit, page),
                (600 * page.bytes(), Some(608 * page.bytes()))
            );
            let none = event::CgroupLimit {
                usage: -1,
                limit: i64::MAX / page.bytes() as i64,
                ..limit
            };
            assert_eq!(memory(&none, page), (0, None));
        }
    }

    #[test]
    fn ids_are_counted_where_the_kernel_shows_no_pid_max() {
        let full = |allocated: u32, level: u32, own: u32, known: bool| {
            let mut event = event_of(&[0; size_of::<event::FailureEvent>()]).unwrap();
            event.pid_ns_len = 1;
            event.pid_ns[0].allocated = allocated | super::PIDNS_ADDING;
            event.pid_ns[0].level = level;
            event.pid_ns[0].pid_max = own;
            if known {
                event.flags |= event::flag::HAVE_PID_MAX;
                event.pid_max = 340;
            }
            let host = HostNow {
                pid_max: Some(340),
                ..HostNow::default()
            };
            pid_namespaces(&event, &host, 60)[0].full
        };
        assert!(full(100, 0, 0, false));
        assert!(!full(99, 0, 0, false));
        // What was compared with stands, and in other namespaces the first ids are not known.
        assert!(!full(100, 0, 0, true));
        assert!(!full(100, 0, 340, false));
        assert!(!full(100, 1, 0, false));
    }

    #[test]
    fn the_commit_limit_is_made_of_whole_pages() {
        for page in SIZES {
            let of_ratio = event::Overcommit {
                totalram: 1001,
                swap: 10,
                ratio: 50,
                ..event::Overcommit::default()
            };
            assert_eq!(commit_limit(&of_ratio, 0, page), Some(page.times(510)));
            let huge = page.times(501);
            assert_eq!(commit_limit(&of_ratio, huge, page), Some(page.times(260)));
            let of_kbytes = event::Overcommit {
                kbytes: page.times(7) / 1024 + 1,
                ..of_ratio
            };
            assert_eq!(commit_limit(&of_kbytes, huge, page), Some(page.times(17)));
        }
    }
}
