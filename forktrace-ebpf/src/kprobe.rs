//! Entry points, attach style `kprobe`, and the probes on single instructions that
//! serve the style `fexit` as well: those of an error path cost a successful creation
//! nothing. User space finds them (`forktrace::probe::sites`). Prototypes: see `fexit`.

use aya_ebpf::{
    EbpfContext,
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use aya_log_ebpf::debug;
use forktrace_common::{event::style, note::Failed};

use crate::{
    arch::{answer, argument},
    maps::UNCHARGE,
    mem, note, report, request, stack, stage, task, within,
};

/// Behind each call of `copy_process`, where its answer is in the register of return
/// values: costs no more than a kretprobe, and there is room for any number of tasks
/// that sleep within.
#[kprobe]
fn kprobe_copy_process_returned(ctx: ProbeContext) -> u32 {
    copy_process_returned(&ctx, answer!(ctx) as i64);
    0
}

/// Where the calls can't be found.
#[kretprobe]
fn kretprobe_copy_process(ctx: RetProbeContext) -> u32 {
    copy_process_returned(&ctx, answer!(ctx) as i64);
    0
}

/// All that a creation that succeeds pays for.
#[inline(always)]
fn copy_process_returned<C: EbpfContext>(ctx: &C, ret: i64) {
    // IS_ERR(): the last page of addresses holds errnos.
    if (ret as u64) < -4095i64 as u64 {
        return;
    }
    copy_process_failed(ctx, ret);
}

#[inline(never)]
fn copy_process_failed<C: EbpfContext>(ctx: &C, ret: i64) {
    let tid = task::tid();
    if !report::reported(ret) {
        report::unreported(ret, 0);
        // No failure of ours (a restart, EINVAL, …), but it may have left a note.
        note::remove(tid);
        return;
    }
    debug!(ctx, "copy_process (kprobe): {}, thread {}", ret, tid);
    let (number, compat) = task::syscall(task::current());
    let mut failed = Failed {
        ret,
        style: style::KPROBE,
        ..report::unknown()
    };
    // A request of the kernel's own is seen at the half-made child.
    if request::creates(number, compat) {
        let request = request::by_registers(number, compat);
        failed.clone_flags = request.clone_flags;
        failed.pids_css = request.into_css;
    }
    report::failed(&failed);
}

/// `copy_process` calls `capable(int cap)`.
#[kprobe]
fn kprobe_capability_asked(ctx: ProbeContext) -> u32 {
    stage::capability_asked(argument!(ctx, 0) as u32 as u64);
    0
}

/// `copy_process` calls `exit_creds(struct task_struct *tsk)`.
#[kprobe]
fn kprobe_child_seen(ctx: ProbeContext) -> u32 {
    stage::child_seen(argument!(ctx, 0));
    0
}

/// `copy_process` calls `security_task_free(struct task_struct *task)`.
#[kprobe]
fn kprobe_security_passed(_: ProbeContext) -> u32 {
    stage::security_passed();
    0
}

/// `pids_can_fork` decrements the refusing cgroup's counter.
#[kprobe]
fn kprobe_pids_uncharged(ctx: ProbeContext) -> u32 {
    if let Some(how) = UNCHARGE.get_ptr(0) {
        // SAFETY: a map value that is written before the probe is attached.
        let (register, add) = unsafe { ((*how).register, (*how).displacement) };
        // The context's address as a number: the verifier lets nobody index it.
        let regs = mem::unknown(ctx.as_ptr() as u64);
        let base = mem::field::<u64>(regs, register as u64);
        stage::pids_uncharged(base.wrapping_add(add as i64 as u64));
    }
    0
}

/// `__vm_enough_memory` calls `percpu_counter_add_batch(fbc, amount, batch)` with
/// what it takes back.
#[kprobe]
fn kprobe_overcommit_refused(ctx: ProbeContext) -> u32 {
    let amount = argument!(ctx, 1) as i64;
    if amount < 0 && within::copy_process(ctx.as_ptr(), within::OVERCOMMIT) {
        stage::overcommit_refused(-amount, argument!(ctx, 0));
    }
    0
}

#[kprobe]
fn kprobe_cleanup(ctx: ProbeContext) -> u32 {
    stage::cleanup(argument!(ctx, 0), 1);
    0
}

#[kprobe]
fn kprobe_memcg_oom(ctx: ProbeContext) -> u32 {
    let memcg = argument!(ctx, 0);
    let tid = task::tid();
    // Page faults and other system calls charge memory too. An entry whose return was skipped has left its
    // argument, which isn't theirs.
    if within::copy_process(ctx.as_ptr(), within::MEMORY) {
        if let Some(note) = note::stage(tid) {
            // SAFETY: a map value that this task alone uses.
            unsafe { (*note).memcg_arg = memcg };
        }
    } else if let Some(note) = note::find(tid) {
        // SAFETY: as above.
        unsafe { (*note).memcg_arg = 0 };
    }
    0
}

#[kretprobe]
fn kretprobe_memcg_oom(ctx: RetProbeContext) -> u32 {
    let Some(note) = note::own(task::tid()) else {
        return 0;
    };
    // SAFETY: as above.
    let memcg = unsafe { (*note).memcg_arg };
    if memcg == 0 {
        return 0;
    }
    // SAFETY: as above.
    unsafe { (*note).memcg_arg = 0 };
    if answer!(ctx) as u8 == 0 {
        stage::memcg_noted(note, memcg);
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
    stack::mmap_returned(answer!(ctx) as i64, style::KPROBE);
    0
}

#[kretprobe]
fn kretprobe_stack_mprotect(ctx: RetProbeContext) -> u32 {
    stack::mprotect_returned(answer!(ctx) as i64, style::KPROBE);
    0
}
