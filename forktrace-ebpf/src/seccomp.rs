//! What a seccomp filter refused in the place of a creating call (`--seccomp`).
//!
//! The function that asks the filters (kernel/seccomp.c; 5.10 to 6.18
//! `__secure_computing`, 7.3 `__seccomp_permit_syscall`) runs on every system
//! call of a task that has one, and says whether the call is to be skipped. By
//! then SECCOMP_RET_ERRNO has put its answer into the registers of user space.
//! The other actions that skip put something else there: SECCOMP_RET_TRAP and
//! the fatal ones the call's number (`syscall_rollback`), SECCOMP_RET_TRACE
//! without a tracer ENOSYS; a tracer that skips a call takes its number away.
//! The answer of a supervisor (SECCOMP_RET_USER_NOTIF) is the filter's.

use aya_ebpf::{
    macros::{fexit, kretprobe},
    programs::{FExitContext, RetProbeContext},
};
use forktrace_common::{
    event::{Stage, style},
    note::Failed,
    settings::seccomp_return,
};

use crate::{arch::answer, maps::setting, note, report, request, task};

#[fexit(function = "__secure_computing")]
fn fexit_seccomp(ctx: FExitContext) -> u32 {
    if skips(&ctx) {
        by_trampoline(1);
    }
    0
}

// The second program on this return, where the kernel is preemptible: see `report::failed`.
#[fexit(function = "__secure_computing")]
fn fexit_seccomp_again(ctx: FExitContext) -> u32 {
    if skips(&ctx) {
        by_trampoline(2);
    }
    0
}

#[kretprobe]
fn kretprobe_seccomp(ctx: RetProbeContext) -> u32 {
    let ret = answer!(ctx);
    let skips = if setting!(seccomp_return) == seccomp_return::BOOL {
        ret as u8 == 0
    } else {
        ret as i32 == -1
    };
    if skips {
        skipped(style::KPROBE, 0);
    }
    0
}

/// The setting is frozen, so the verifier sees only the reads that fit.
#[inline(always)]
fn skips(ctx: &FExitContext) -> bool {
    match setting!(seccomp_return) {
        seccomp_return::BOOL => ctx.arg::<u64>(0) as u8 == 0,
        seccomp_return::INT => ctx.arg::<u64>(0) as i32 == -1,
        _ => ctx.arg::<u64>(1) as i32 == -1,
    }
}

#[inline(always)]
fn by_trampoline(program: u8) {
    skipped(style::FEXIT, report::number(program));
}

/// A system call is skipped: reported if it would have created a task, and is
/// answered an errno that is reported.
#[inline(never)]
fn skipped(style: u8, program: u8) {
    let task = task::current();
    let (number, compat) = task::syscall(task);
    if !request::creates(number, compat) {
        return;
    }
    let ret = task::answer(task);
    if !report::reported(ret) {
        return;
    }
    let request = request::by_registers(number, compat);
    note::forget_unreported(task::tid());
    report::failed(&Failed {
        clone_flags: request.clone_flags,
        pids_css: request.into_css,
        ret,
        style,
        stage: Stage::Filtered as u8,
        program,
        ..report::unknown()
    });
}
