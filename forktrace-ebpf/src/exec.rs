//! The RLIMIT_NPROC check of execve, in all attach styles.
//!
//! setuid to a user who is over the limit succeeds and marks the task
//! (kernel/sys.c `set_user`, PF_NPROC_EXCEEDED); the first thing that
//! `do_execveat_common` (fs/exec.c) does with a marked task is to answer EAGAIN
//! if the user is still over, or to clear the mark. So of the EAGAINs that
//! execve can answer (a file system's, a security module's), those with the
//! mark still there are this check's, and no others. The same from 5.10 to 7.3.
//!
//! The system calls' own functions are hooked, because `do_execveat_common` is
//! inlined (6.1+). An execve that succeeds pays one comparison.

use aya_ebpf::{
    macros::{fexit, kretprobe, tracepoint},
    programs::{FExitContext, RetProbeContext, TracePointContext},
};
use forktrace_common::{
    event::{Stage, style},
    note::{Failed, Note},
};

use crate::{
    arch::answer,
    facts, filter, limits,
    maps::{EXECS, offset},
    mem, note, report, snapshot, task,
};

const PF_NPROC_EXCEEDED: u32 = 0x1000; // include/linux/sched.h
const EAGAIN: i64 = -(report::EAGAIN as i64);

/// `long __x64_sys_execve(const struct pt_regs *regs)`, as x86-64 calls it, and the same of
/// execveat and of the 32-bit calls.
macro_rules! on_return {
    ($function:literal, $fexit:ident, $again:ident) => {
        #[fexit(function = $function)]
        fn $fexit(ctx: FExitContext) -> u32 {
            if ctx.arg::<i64>(1) == EAGAIN {
                by_trampoline(1);
            }
            0
        }

        // The same again, where the kernel is preemptible: see `report::failed`.
        #[fexit(function = $function)]
        fn $again(ctx: FExitContext) -> u32 {
            if ctx.arg::<i64>(1) == EAGAIN {
                by_trampoline(2);
            }
            0
        }
    };
}

/// Serves all of them.
#[kretprobe]
fn kretprobe_exec(ctx: RetProbeContext) -> u32 {
    if answer!(ctx) as i64 == EAGAIN {
        refused(style::KPROBE, 0, 1);
    }
    0
}

on_return!("sys_execve", fexit_execve, fexit_execve_again);
on_return!("sys_execveat", fexit_execveat, fexit_execveat_again);
on_return!(
    "compat_sys_execve",
    fexit_compat_execve,
    fexit_compat_execve_again
);
on_return!(
    "compat_sys_execveat",
    fexit_compat_execveat,
    fexit_compat_execveat_again
);

#[inline(always)]
fn by_trampoline(program: u8) {
    refused(style::FEXIT, report::number(program), 1);
}

/// Whether setuid has marked the task.
#[inline(always)]
fn marked(task: u64) -> bool {
    mem::field::<u32>(task, offset!(task_flags)) & PF_NPROC_EXCEEDED != 0
}

/// Whether tasks can be read at all: not without the kernel's types, nor under
/// lockdown=confidentiality, where every read gives zero.
#[inline(always)]
fn readable(task: u64) -> bool {
    mem::field::<u32>(task, offset!(task_tgid)) == task::tgid()
}

/// execve has answered EAGAIN. `entered`, if it isn't 0: its function was seen to run.
#[inline(never)]
fn refused(style: u8, program: u8, entered: u64) {
    let task = task::current();
    let known = readable(task);
    if known && !marked(task) {
        return;
    }
    let stage = if known && entered != 0 {
        Stage::Exec
    } else {
        Stage::ExecUnseen
    };
    let tid = task::tid();
    note::forget_unreported(tid);
    let failed = Failed {
        ret: -report::EAGAIN,
        style,
        stage: stage as u8,
        program,
        ..report::unknown()
    };
    if let Some(note) = report::begin(&failed, tid) {
        send(note, tid);
        report::end(note, tid, program);
    }
}

/// Sends the failure as `report::send` does, with the one limit that can refuse an execve. There are
/// several of these programs, and the verifier walks each for itself: all the
/// limits of a creation would treble the time that forktrace takes to start.
#[inline(never)]
fn send(note: *mut Note, tid: u32) {
    let task = task::current();
    if !filter::passes(task) {
        return;
    }
    let cset = mem::pointer(task, offset!(task_cgroups));
    let pids_css = mem::pointer(cset, offset!(cset_pids));
    facts::request(note, task);
    // As a creation's, with the caller among those who are counted.
    limits::nproc_of(note, task, 1);
    facts::keys(note, task, pids_css);
    let Some(mut entry) = report::event(note, task, tid) else {
        return;
    };
    let ev = entry.as_mut_ptr();
    // No address space: nothing is known of overcommit.
    // SAFETY: a reserved ring-buffer record.
    unsafe { (*ev).overcommit.total_vm = 0 };
    limits::nproc(ev, task);
    snapshot::own_path(ev, cset, pids_css);
    entry.submit(0);
}

const RET: usize = 16; // struct syscall_trace_exit, see `tracepoint`

// Where a filter answers in the call's place there is no entry, and the mark
// stays: so the entry has to be seen. Two programs for each tracepoint, for the
// reason given in `tracepoint`.

#[tracepoint]
fn sys_enter_exec(_: TracePointContext) -> u32 {
    enter();
    0
}

#[tracepoint]
fn sys_enter_exec_again(_: TracePointContext) -> u32 {
    enter();
    0
}

#[inline(always)]
fn enter() {
    if marked(task::current()) {
        let _ = EXECS.insert(task::tid(), 0, 0);
    }
}

#[tracepoint]
fn sys_exit_exec(ctx: TracePointContext) -> u32 {
    exit(&ctx, report::tracepoint_number(1));
    0
}

#[tracepoint]
fn sys_exit_exec_again(ctx: TracePointContext) -> u32 {
    exit(&ctx, report::tracepoint_number(2));
    0
}

#[inline(always)]
fn exit(ctx: &TracePointContext, program: u8) {
    // SAFETY: the offset lies within the context of these tracepoints.
    let ret = unsafe { ctx.read_at::<i64>(RET).unwrap_or(0) };
    let tid = task::tid();
    if ret == EAGAIN {
        // As a number that the verifier doesn't know, or it walks all that follows
        // for each of the two.
        let entered = mem::unknown(EXECS.get_ptr(tid).is_some().into());
        refused(style::TRACEPOINT, program, entered);
        // The first leaves it to the second, which finds the note reported.
        if program == 1 {
            return;
        }
    }
    let _ = EXECS.remove(tid);
}
