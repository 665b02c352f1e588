//! Entry points, attach style `kprobe`. A kretprobe doesn't see the arguments,
//! so entry probes leave them in the task's note. Prototypes: see `fexit`.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use aya_log_ebpf::debug;
use forktrace_common::{event::style, note::Failed};

use crate::{
    asked,
    maps::{offset, setting},
    mem, note, report, stack, stage, task,
};

#[kprobe]
fn kprobe_copy_process(ctx: ProbeContext) -> u32 {
    let tid = task::tid();
    // A refusal whose return never came (no free kretprobe instance) is counted.
    note::forget(tid);
    note::reset(tid);
    if let Some(note) = note::find(tid) {
        // SAFETY: a map value that this task alone uses.
        unsafe { (*note).args = ctx.arg::<u64>(3).unwrap_or(0) };
    }
    0
}

#[kretprobe]
fn kretprobe_copy_process(ctx: RetProbeContext) -> u32 {
    let tid = task::tid();
    let ret = ctx.ret::<i64>();
    if !report::reported(ret) {
        note::remove(tid);
        if setting!(nproc_before_creds) != 0 {
            note::take_reached_creds(tid);
        }
        return 0;
    }
    debug!(&ctx, "copy_process (kretprobe): {}, thread {}", ret, tid);
    // The kernel can have skipped the entry probe (kernel/trace/bpf_trace.c
    // `trace_call_bpf`): no note then, or that of an earlier creation.
    let noted = match note::find(tid) {
        // SAFETY: a map value that this task alone uses.
        Some(note) => unsafe { (*note).args },
        None => 0,
    };
    let (number, compat) = task::syscall(task::current());
    let mut failed = Failed {
        args: noted,
        ret,
        style: style::KPROBE,
        ..report::unknown()
    };
    // The caller's registers are this creation's in any case.
    if asked::creates(number, compat) {
        let asked = asked::by_registers(number, compat);
        failed.clone_flags = asked.clone_flags;
        failed.pids_css = asked.into_css;
        // What a system call asks for is no kernel function: then this is a
        // stack that others have used since.
        let flags = mem::field::<u64>(noted, offset!(args_flags));
        if flags != asked.clone_flags || mem::pointer(noted, offset!(args_fn)) != 0 {
            failed.args = 0;
        }
    }
    report::failed(&failed);
    0
}

#[kprobe]
fn kprobe_is_rlimit_overlimit(ctx: ProbeContext) -> u32 {
    // Outside of a creation (setuid and execve ask too) there is no note.
    if let Some(note) = note::find(task::tid()) {
        // SAFETY: a map value that this task alone uses.
        unsafe {
            (*note).ucounts = ctx.arg::<u64>(0).unwrap_or(0);
            (*note).rlimit = ctx.arg::<u64>(2).unwrap_or(u64::MAX);
        }
    }
    0
}

#[kretprobe]
fn kretprobe_is_rlimit_overlimit(ctx: RetProbeContext) -> u32 {
    // A "no" has nothing to clear here: the entry probe of copy_process has
    // given the attempt a note of its own.
    if ctx.ret::<u64>() as u8 == 0 {
        return 0;
    }
    if let Some(note) = note::find(task::tid()) {
        // SAFETY: as above.
        let (ucounts, rlimit) = unsafe { ((*note).ucounts, (*note).rlimit) };
        stage::nproc_over(note, ucounts, rlimit);
    }
    0
}

#[kretprobe]
fn kretprobe_copy_creds(ctx: RetProbeContext) -> u32 {
    if ctx.ret::<u64>() as i32 == 0 {
        note::reached_creds(task::tid());
    }
    0
}

#[kprobe]
fn kprobe_pids_can_fork(ctx: ProbeContext) -> u32 {
    if let Some(note) = note::find(task::tid()) {
        // SAFETY: as above.
        unsafe { (*note).cset = ctx.arg::<u64>(1).unwrap_or(0) };
    }
    0
}

#[kretprobe]
fn kretprobe_pids_can_fork(ctx: RetProbeContext) -> u32 {
    if ctx.ret::<u64>() as i32 == 0 {
        return 0;
    }
    if let Some(note) = note::find(task::tid()) {
        // SAFETY: as above.
        stage::pids_refused(unsafe { (*note).cset });
    }
    0
}

#[kprobe]
fn kprobe_wreck(ctx: ProbeContext) -> u32 {
    stage::wreck(ctx.arg::<u64>(0).unwrap_or(0), 1);
    0
}

#[kprobe]
fn kprobe_memcg_oom(ctx: ProbeContext) -> u32 {
    // Page faults and other system calls charge memory too.
    if let Some(note) = note::of_creation() {
        // SAFETY: as above.
        unsafe { (*note).memcg_arg = ctx.arg::<u64>(0).unwrap_or(0) };
    }
    0
}

#[kretprobe]
fn kretprobe_memcg_oom(ctx: RetProbeContext) -> u32 {
    if ctx.ret::<u64>() as u8 != 0 {
        return 0;
    }
    if let Some(note) = note::find(task::tid()) {
        // SAFETY: as above.
        stage::memcg_noted(note, unsafe { (*note).memcg_arg });
    }
    0
}

#[kprobe]
fn kprobe_cgroup_cancel_fork(_: ProbeContext) -> u32 {
    stage::cgroups_had_agreed();
    0
}

#[kretprobe]
fn kretprobe_stack_mmap(ctx: RetProbeContext) -> u32 {
    stack::mmap_returned(ctx.ret::<i64>(), style::KPROBE);
    0
}

#[kretprobe]
fn kretprobe_stack_mprotect(ctx: RetProbeContext) -> u32 {
    stack::mprotect_returned(ctx.ret::<i64>(), style::KPROBE);
    0
}
