//! What the causes share that refuse a thread's stack: pthread_create(3) maps
//! it before it asks for a thread, so no creation is ever tried.
//!
//! glibc: `mmap(PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK)` of stack and
//! guard, then `mprotect(PROT_READ|PROT_WRITE)`; ENOMEM of either becomes
//! EAGAIN.

use super::{Finding, limits, page::Step};
use crate::{
    evidence::{Evidence, Overcommit, OvercommitMode, Stage, ThreadStack, thread_stack::Check},
    model::{Errno, Limit, LimitKind, Owner, Unit, bytes},
};

/// The check was seen to refuse: the call's return was, and by the numbers at
/// that return this is the first of its checks that does.
pub(super) fn seen(e: &Evidence, check: Check) -> Option<Finding> {
    if e.stage != Stage::ThreadStack {
        return None;
    }
    Finding::observed(refusing(e, check)?)
}

/// The same by the numbers alone.
pub(super) fn exhausted(e: &Evidence, check: Check) -> Option<Finding> {
    Finding::inferred(refusing(e, check)?)
}

fn refusing(e: &Evidence, check: Check) -> Option<Limit> {
    let stack = e.thread_stack.as_ref()?;
    // By numbers of a moment later another check can be the first: mm/mmap.c `do_mmap` answers EAGAIN to locked memory
    // alone, and ENOMEM to all else.
    let answers = match check {
        Check::Memlock => Errno::EAGAIN,
        _ => Errno::ENOMEM,
    };
    if e.errno != answers || stack.refused_by(e.overcommit.as_ref()) != Some(check) {
        return None;
    }
    limit(stack, e.overcommit.as_ref(), check)
}

/// The limit of a check, with its numbers; `None` where there is none.
fn limit(stack: &ThreadStack, overcommit: Option<&Overcommit>, check: Check) -> Option<Limit> {
    let bytes = |kind: LimitKind, value: u64, usage: u64| Limit {
        value: Some(value),
        usage: Some(usage),
        requested: Some(stack.requested),
        ..Limit::new(kind, Owner::Process, Unit::Bytes)
    };
    match check {
        Check::MapCount => Some(Limit {
            value: Some(stack.max_maps?),
            usage: Some(stack.maps),
            requested: Some(1),
            file: Some("/proc/sys/vm/max_map_count".to_owned()),
            ..Limit::new(LimitKind::MaxMapCount, Owner::Process, Unit::Mappings)
        }),
        Check::Memlock if stack.locked && !stack.may_lock => Some(bytes(
            LimitKind::RlimitMemlock,
            stack.rlimit_memlock?,
            stack.locked_memory,
        )),
        Check::Memlock => None,
        Check::AddressSpace => Some(bytes(LimitKind::RlimitAs, stack.rlimit_as?, stack.total)),
        Check::Data => Some(bytes(
            LimitKind::RlimitData,
            stack.data_limit()?,
            stack.data,
        )),
        Check::Overcommit => {
            let overcommit = overcommit?;
            let mut limit = match overcommit.mode {
                OvercommitMode::Heuristic => limits::ram_and_swap(overcommit),
                OvercommitMode::Never => limits::commit_limit(overcommit),
                OvercommitMode::Always => return None,
            };
            limit.requested = Some(stack.requested);
            Some(limit)
        }
    }
}

/// Every limit with numbers that a thread's stack can meet.
pub(super) fn limits(stack: &ThreadStack, overcommit: Option<&Overcommit>) -> Vec<Limit> {
    // Mode 0 has no use to compare with.
    let strict = overcommit.filter(|o| o.mode == OvercommitMode::Never);
    [
        Check::MapCount,
        Check::Memlock,
        Check::AddressSpace,
        Check::Data,
        Check::Overcommit,
    ]
    .into_iter()
    .filter_map(|check| limit(stack, strict, check))
    .collect()
}

/// Where the numbers stand, and what was asked for: "64.0 MiB of 70.0 MiB are
/// in use and 8.0 MiB were asked for".
pub(super) fn numbers_and_asked(limit: &Limit) -> String {
    let amount = |n: Option<u64>| bytes(n.unwrap_or(0));
    format!(
        "{} of {} are in use and {} were asked for",
        amount(limit.usage),
        amount(limit.bound()),
        amount(limit.requested)
    )
}

/// A limit that gives room for this stack and a hundred more, where it is known what it was.
pub(super) fn roomier(limit: &Limit) -> Option<u64> {
    let wanted = limit
        .requested
        .unwrap_or(0)
        .saturating_mul(101)
        .saturating_add(limit.usage.unwrap_or(0));
    // The limit may be higher: a mapping of many times the rest was refused.
    let wanted = wanted.max(limit.value?.saturating_add(1));
    Some(wanted.div_ceil(1 << 20).saturating_mul(1 << 20))
}

/// What a thread's creator gets as its errno.
pub(super) const ERRNO_NOTE: &str = "That is what mmap or mprotect answers; glibc's pthread_create \
    makes EAGAIN of it. fork, vfork and clone never meet this limit.";

/// What people see.
pub(super) const ABOUT: &str = "pthread_create fails with EAGAIN, Java says `unable to create native \
    thread`, though the kernel was never asked for a thread: glibc maps the stack first, and \
    that was refused.";

/// What else is refused likewise: glibc's spawni.c, `__spawnix`.
pub(super) const SPAWN: &str = "glibc's posix_spawn, since 2.29 system and popen too, maps a stack of 32 KiB \
    for the child before clone. It is refused likewise, and answers what mmap does.";

/// Shows which call refuses.
pub(super) const STRACE: Step = Step {
    text: "See which call fails while a thread is being created. ENOMEM or EAGAIN from mmap or \
        mprotect, with no clone after it, is the stack; a failing clone is another cause.",
    commands: &["strace -f -e trace=mmap,mprotect,clone,clone3 -p $PID"],
};
