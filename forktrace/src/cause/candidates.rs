//! Every limit that could refuse a creation, with its numbers.

use super::{
    limits::{commit_limit, fullest_first, kernel_memory, memory, nproc, pid_max, pids, threads},
    nproc_at_exec, thread_stack,
};
use crate::{
    evidence::{Evidence, OvercommitMode},
    model::{Limit, Operation},
};

/// Limits with numbers that apply to the caller, fullest first.
pub(super) fn all(e: &Evidence) -> Vec<Limit> {
    if e.operation == Operation::Exec {
        return nproc_at_exec::candidates(e);
    }
    if let Some(stack) = &e.thread_stack {
        return fullest_first(thread_stack::limits(stack, e.overcommit.as_ref()));
    }
    let mut all = Vec::new();
    if !e.nproc_exempt {
        all.extend(e.nproc.iter().filter(|l| l.limit.is_some()).map(nproc));
    }
    all.extend(e.threads.as_ref().map(threads));
    all.extend(
        e.pid_ns
            .iter()
            .filter(|ns| ns.pid_max.is_some() && !ns.dead)
            .map(pid_max),
    );
    all.extend(e.pids.iter().filter(|c| c.limit.is_some()).map(pids));
    all.extend(e.memory.iter().filter(|c| c.limit.is_some()).map(memory));
    all.extend(e.kernel_memory_near.as_ref().map(kernel_memory));
    if let Some(overcommit) = &e.overcommit
        && overcommit.mode == OvercommitMode::Never
        && !e.shares_vm
    {
        all.push(commit_limit(overcommit));
    }
    fullest_first(all)
}
