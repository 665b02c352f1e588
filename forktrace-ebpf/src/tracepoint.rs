//! Entry points, attach style `tracepoint`: the enter and return tracepoints
//! of clone, clone3, fork and vfork. They show the errno and nothing of what
//! happened between, so counters are read at both ends.
//!
//! The kernel runs the child through the return tracepoint too, with 0.

use aya_ebpf::{macros::tracepoint, programs::TracePointContext};
use aya_log_ebpf::debug;
use forktrace_common::{
    event::{flag, style},
    note::Failed,
};

use crate::{
    cgroup,
    maps::{ENTERED, offset},
    mem, report, task,
};

/// What the entry of a creation leaves for its return.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Entered {
    pub clone_flags: u64,
    /// css of the pids controller that the child would be charged to.
    pub pids_css: u64,
    /// Its count of refused forks.
    pub forkfail: i64,
    pub into_cgroup: u32,
    /// 1: the failing return has been reported, by another program on it.
    pub reported: u32,
}

// Layout of syscalls:sys_enter_* and sys_exit_*: kernel/trace/trace_syscalls.c,
// struct syscall_trace_enter and syscall_trace_exit behind 8 common bytes.
const SYSCALL_NR: usize = 8;
const ARG_0: usize = 16;
const ARG_1: usize = 24;
const RET: usize = 16;

const NR_CLONE: i32 = 56;
const NR_VFORK: i32 = 58;
const NR_CLONE3: i32 = 435;
const CLONE_VM: u64 = 0x100;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// `struct clone_args`: offset of `cgroup`, and the size that includes it.
const CLONE_ARGS_CGROUP: u64 = 80;
const CLONE_ARGS_SIZE_VER2: u64 = 88;

// Two programs sit on each tracepoint, for the reason given in
// `report::failed` (since 7.x these tracepoints run preemptibly as well). At
// the entry both write the same; at the return the first one reports.

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
    let current = task::current();
    let cset = mem::pointer(current, offset!(task_cgroups));
    let mut pids_css = mem::pointer(cset, offset!(cset_pids));
    let mut into_cgroup = 0;
    let clone_flags = if nr == NR_CLONE {
        arg0
    } else if nr == NR_VFORK {
        CLONE_VFORK | CLONE_VM
    } else if nr == NR_CLONE3 {
        let flags = mem::user::<u64>(arg0);
        if flags & CLONE_INTO_CGROUP != 0 && arg1 >= CLONE_ARGS_SIZE_VER2 {
            let fd = mem::user::<u64>(arg0 + CLONE_ARGS_CGROUP);
            let target = cgroup::effective_pids_css(cgroup::of_fd(current, fd));
            if target != 0 {
                pids_css = target;
                into_cgroup = 1;
            }
        }
        flags
    } else {
        0
    };
    Entered {
        clone_flags,
        pids_css,
        forkfail: cgroup::pids_forkfail(pids_css),
        into_cgroup,
        reported: 0,
    }
}

#[tracepoint]
fn sys_exit_creation(ctx: TracePointContext) -> u32 {
    exit(&ctx);
    0
}

#[tracepoint]
fn sys_exit_creation_again(ctx: TracePointContext) -> u32 {
    exit(&ctx);
    0
}

/// Without an entry, a seccomp filter or a tracer answered in the call's place.
const UNKNOWN_ENTRY: Entered = Entered {
    clone_flags: 0,
    pids_css: 0,
    forkfail: 0,
    into_cgroup: 0,
    reported: 1,
};

#[inline(always)]
fn exit(ctx: &TracePointContext) {
    // SAFETY: the offset lies within the context of these tracepoints.
    let ret = unsafe { ctx.read_at::<i64>(RET).unwrap_or(0) };
    let tid = task::tid();
    let Some(errno) = report::reported_errno(ret) else {
        let _ = ENTERED.remove(tid);
        return;
    };
    let mut failed = Failed {
        errno,
        style: style::TRACEPOINT,
        not_entered: 1,
        ..Failed::NONE
    };
    if let Some(entered) = ENTERED.get_ptr_mut(tid) {
        // SAFETY: a map value that this task alone uses.
        unsafe {
            if (*entered).reported != 0 {
                let _ = ENTERED.remove(tid);
                return;
            }
            (*entered).reported = 1;
            failed.not_entered = 0;
            failed.clone_flags = (*entered).clone_flags;
            failed.pids_css = (*entered).pids_css;
            if (*entered).into_cgroup != 0 {
                failed.flags |= flag::INTO_CGROUP;
            }
            if (*entered).pids_css != 0 && mem::has(offset!(pids_forkfail)) {
                failed.pids_delta =
                    cgroup::pids_forkfail((*entered).pids_css) - (*entered).forkfail;
                failed.flags |= flag::HAVE_PIDS_DELTA;
            }
        }
    } else {
        let _ = ENTERED.insert(tid, UNKNOWN_ENTRY, 0);
    }
    debug!(ctx, "sys_exit: errno {}, thread {}", errno, tid);
    report::failed(&failed);
}
