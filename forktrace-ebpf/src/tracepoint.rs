//! Entry points, attach style `tracepoint`: the enter and return tracepoints
//! of clone, clone3, fork and vfork. They show the errno and nothing of what
//! happened between, so counters are read at both ends.
//!
//! The kernel runs the child through the return tracepoint too, with 0.
//!
//! Where neither trampolines nor kprobes are allowed, the system-call tracepoints show the
//! errno; the pids controller's count of refusals is compared between enter and return, limits
//! are read at the return, and the first exhausted one in the order of the kernel's checks is
//! the verdict, marked `inferred`. Limits that were others at the entry prove nothing.

use aya_ebpf::{
    helpers::generated::bpf_ktime_get_ns, macros::tracepoint, programs::TracePointContext,
};
use aya_log_ebpf::debug;
use forktrace_common::{
    event::{Stage, flag, style},
    note::Failed,
};

use crate::{
    cgroup,
    maps::{ENTERED, ENTRIES_SINCE, offset, symbol},
    mem, note, report, request, stack, task,
};

/// What the entry of a creation leaves for its return, in the words that the
/// return needs: what is read from a map the verifier doesn't know, and so it
/// walks what follows once.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Entered {
    pub clone_flags: u64,
    /// css of the pids controller that the child would be charged to: a number to compare, for it can
    /// be gone at the return.
    pub pids_css: u64,
    /// Its count of refused forks.
    pub forkfail: i64,
    /// OOM events of its memory cgroups.
    pub memcg_oom: i64,
    /// The caller's RLIMIT_NPROC and the host's kernel.threads-max.
    pub limits: u64,
    /// Those of the pids controller that bind the child.
    pub pids_limits: u64,
    /// Flags of the event (`forktrace_common::event::flag`).
    pub flags: u32,
    /// `Stage::Unseen`, or `Stage::NotEntered` where the return found no entry.
    pub stage: u32,
    /// Which of two programs on the failing return has reported it, from 1;
    /// 0: none.
    pub reported: u64,
}

// Layout of syscalls:sys_enter_* and sys_exit_*: kernel/trace/trace_syscalls.c,
// struct syscall_trace_enter and syscall_trace_exit behind 8 common bytes.
const SYSCALL_NR: usize = 8;
const ARG_0: usize = 16;
const ARG_1: usize = 24;
const RET: usize = 16;

// Since 7.x these tracepoints run preemptibly as well: two programs for each
// there, for the reason given in `report::failed`. At the entry both write the
// same; at the return the first one reports.

#[tracepoint]
fn sys_enter_creation(ctx: TracePointContext) -> u32 {
    enter(&ctx);
    0
}

#[tracepoint]
fn sys_enter_creation_again(ctx: TracePointContext) -> u32 {
    enter(&ctx);
    0
}

#[inline(always)]
fn enter(ctx: &TracePointContext) {
    // SAFETY: the offsets lie within the context of these tracepoints.
    let (nr, arg0, arg1) = unsafe {
        (
            ctx.read_at::<i32>(SYSCALL_NR).unwrap_or(-1),
            ctx.read_at::<u64>(ARG_0).unwrap_or(0),
            ctx.read_at::<u64>(ARG_1).unwrap_or(0),
        )
    };
    let _ = ENTERED.insert(task::tid(), entered(nr, arg0, arg1), 0);
}

#[inline(always)]
fn entered(nr: i32, arg0: u64, arg1: u64) -> Entered {
    let request = request::by_call(nr, arg0, arg1);
    let mut flags = 0;
    let mut pids_css = request.into_css;
    if pids_css != 0 {
        flags |= flag::INTO_CGROUP;
    } else {
        pids_css = request::own_css();
    }
    if pids_css != 0 && mem::has(offset!(pids_forkfail)) {
        flags |= flag::HAVE_PIDS_DELTA;
    }
    if mem::has(offset!(memcg_events_oom)) {
        flags |= flag::HAVE_MEMCG_DELTA;
    }
    Entered {
        clone_flags: request.clone_flags,
        pids_css,
        forkfail: cgroup::pids_forkfail(pids_css),
        memcg_oom: cgroup::memcg_oom_events(memory_css()),
        limits: limits(),
        pids_limits: cgroup::pids_limits(pids_css),
        flags,
        stage: Stage::Unseen as u32,
        reported: 0,
    }
}

/// The limits that somebody else can change meanwhile and that no counter of refusals
/// covers, in one number.
#[inline(always)]
fn limits() -> u64 {
    let signal = mem::pointer(task::current(), offset!(task_signal));
    let nproc = mem::field::<u64>(signal, offset!(signal_rlim_nproc));
    let threads = mem::field::<u32>(symbol!(max_threads), 0) as u64;
    nproc ^ threads.wrapping_shl(40)
}

/// css of the pids controller that binds the child by now: the caller may have been moved, and what it
/// named at the entry be gone.
#[inline(never)]
fn binding(flags: u32) -> u64 {
    if flags & flag::INTO_CGROUP != 0 {
        let (number, compat) = task::syscall(task::current());
        request::by_registers(number, compat).into_css
    } else {
        request::own_css()
    }
}

/// css of the memory controller that the caller is charged in.
#[inline(always)]
fn memory_css() -> u64 {
    let cset = mem::pointer(task::current(), offset!(task_cgroups));
    mem::pointer(cset, offset!(cset_memory))
}

#[tracepoint]
fn sys_exit_creation(ctx: TracePointContext) -> u32 {
    exit(&ctx, report::tracepoint_number(1));
    0
}

#[tracepoint]
fn sys_exit_creation_again(ctx: TracePointContext) -> u32 {
    exit(&ctx, report::tracepoint_number(2));
    0
}

/// Without an entry, a seccomp filter or a tracer answered in the call's place.
static UNKNOWN_ENTRY: Entered = Entered {
    clone_flags: 0,
    pids_css: 0,
    forkfail: 0,
    memcg_oom: 0,
    limits: 0,
    pids_limits: 0,
    flags: 0,
    stage: Stage::NotEntered as u32,
    reported: 0,
};

/// No creation takes so long, in nanoseconds: a large address space that is copied on a sliver of a CPU takes seconds.
const LONGEST: u64 = 60_000_000_000;

/// Whether a call without an entry can have been entered before entries were seen: the kernel looks anew at what is
/// to be traced when a call returns (kernel/entry/common.c, include/linux/entry-common.h `syscall_exit_work`). What
/// the current task is younger than, it can't have entered before.
#[inline(always)]
fn may_be_under_way() -> bool {
    let Some(since) = ENTRIES_SINCE.get(0) else {
        return true;
    };
    let since = *since;
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    since == 0 || (note::owner() < since && now < since + LONGEST)
}

#[inline(always)]
fn exit(ctx: &TracePointContext, program: u8) {
    // SAFETY: the offset lies within the context of these tracepoints.
    let ret = unsafe { ctx.read_at::<i64>(RET).unwrap_or(0) };
    let tid = task::tid();
    if !report::reported(ret) {
        report::unreported(ret, program);
        let _ = ENTERED.remove(tid);
        return;
    }
    let mut failed = Failed {
        ret,
        style: style::TRACEPOINT,
        stage: Stage::NotEntered as u8,
        ..report::unknown()
    };
    let mut under_way = 0;
    if ENTERED.get_ptr(tid).is_none() {
        under_way = may_be_under_way() as u32 * flag::MAYBE_UNDER_WAY;
        let _ = ENTERED.insert(tid, &UNKNOWN_ENTRY, 0);
    }
    if let Some(entered) = ENTERED.get_ptr_mut(tid) {
        // SAFETY: a map value that this task alone uses.
        unsafe {
            let by = (*entered).reported;
            if by != 0 && by == program as u64 {
                // Of an earlier return: this one had no entry either.
                mem::copy(entered, &UNKNOWN_ENTRY);
            } else if by != 0 {
                let _ = ENTERED.remove(tid);
                return;
            }
            (*entered).reported = program as u64;
            failed.clone_flags = (*entered).clone_flags;
            failed.pids_css = binding((*entered).flags);
            failed.stage = (*entered).stage as u8;
            // The differences are looked at where their flags are set.
            failed.flags = (*entered).flags;
            let changed = (limits() != (*entered).limits) as u32;
            failed.flags |= changed * flag::LIMITS_CHANGED;
            // Another css is another number: its limits prove nothing, and its count is of others.
            let changed = (cgroup::pids_limits(failed.pids_css) != (*entered).pids_limits) as u32;
            failed.flags |= changed * flag::PIDS_LIMITS_CHANGED;
            let another = (failed.pids_css != (*entered).pids_css) as u32;
            failed.flags &= !(another * flag::HAVE_PIDS_DELTA);
            failed.pids_delta = cgroup::pids_forkfail(failed.pids_css) - (*entered).forkfail;
            failed.memcg_delta = cgroup::memcg_oom_events(memory_css()) - (*entered).memcg_oom;
        }
    }
    failed.flags |= under_way;
    if program == 0 {
        let _ = ENTERED.remove(tid);
    }
    if failed.stage == Stage::NotEntered as u8 {
        let (number, compat) = task::syscall(task::current());
        failed.clone_flags = request::flags_by_registers(number, compat);
    }
    debug!(ctx, "sys_exit: {}, thread {}", ret, tid);
    report::failed(&failed);
}

/// syscalls:sys_exit_mmap (`--thread-stacks`)
#[tracepoint]
fn sys_exit_stack_mmap(ctx: TracePointContext) -> u32 {
    // SAFETY: the offset lies within the context of these tracepoints.
    let ret = unsafe { ctx.read_at::<i64>(RET).unwrap_or(0) };
    stack::mmap_returned(ret, style::TRACEPOINT);
    0
}

/// syscalls:sys_exit_mprotect (`--thread-stacks`)
#[tracepoint]
fn sys_exit_stack_mprotect(ctx: TracePointContext) -> u32 {
    // SAFETY: as above.
    let ret = unsafe { ctx.read_at::<i64>(RET).unwrap_or(0) };
    stack::mprotect_returned(ret, style::TRACEPOINT);
    0
}
