//! Entry points, attach style `fexit` (BPF trampolines). Prototypes are those
//! of 5.10 to 7.3 unless said; user space checks them in BTF before attaching.

use aya_ebpf::{
    EbpfContext as _,
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use aya_log_ebpf::debug;
use forktrace_common::{event::style, note::Failed, stack::Request};

use crate::{note, report, stack, stage, task, within};

/// `struct task_struct *copy_process(struct pid *pid, int trace, int node,
/// struct kernel_clone_args *args)`
#[fexit(function = "copy_process")]
fn fexit_copy_process(ctx: FExitContext) -> u32 {
    copy_process_returned(&ctx, 1)
}

/// The second program on this return, attached where the kernel is preemptible: see
/// `report::failed`.
#[fexit(function = "copy_process")]
fn fexit_copy_process_again(ctx: FExitContext) -> u32 {
    copy_process_returned(&ctx, 2)
}

/// All that a creation that succeeds pays for. The rest is a function of its
/// own, so that nothing is saved and restored for it here.
#[inline(always)]
fn copy_process_returned(ctx: &FExitContext, program: u8) -> u32 {
    // IS_ERR(): the last page of addresses holds errnos.
    if ctx.arg::<u64>(4) < -4095i64 as u64 {
        return 0;
    }
    copy_process_failed(ctx, program);
    0
}

#[inline(never)]
fn copy_process_failed(ctx: &FExitContext, program: u8) {
    if !report::reported(ctx.arg::<i64>(4)) {
        report::unreported(ctx.arg::<i64>(4), report::number(program));
        // No failure of ours (a restart, EINVAL, …), but it may have left a note.
        note::remove(task::tid());
        return;
    }
    debug!(ctx, "copy_process (fexit) failed, thread {}", task::tid());
    report::failed(&Failed {
        args: ctx.arg::<u64>(3),
        ret: ctx.arg::<i64>(4),
        style: style::FEXIT,
        program: report::number(program),
        ..report::unknown()
    });
}

/// `void perf_event_free_task(struct task_struct *task)`, or `void
/// security_task_free(struct task_struct *task)`: both on the error path of
/// copy_process().
#[fentry(function = "perf_event_free_task")]
fn fentry_cleanup(ctx: FEntryContext) -> u32 {
    stage::cleanup(ctx.arg::<u64>(0), 1);
    0
}

/// The second program on this function, where the kernel is preemptible.
#[fentry(function = "perf_event_free_task")]
fn fentry_cleanup_again(ctx: FEntryContext) -> u32 {
    stage::cleanup(ctx.arg::<u64>(0), 2);
    0
}

/// `bool mem_cgroup_out_of_memory(struct mem_cgroup *memcg, gfp_t gfp_mask,
/// int order)`
#[fexit(function = "mem_cgroup_out_of_memory")]
fn fexit_memcg_oom(ctx: FExitContext) -> u32 {
    // Page faults and other system calls charge memory too.
    if ctx.arg::<u64>(3) as u8 == 0 && within::copy_process(ctx.as_ptr(), within::MEMORY) {
        stage::memcg_oom_failed(ctx.arg::<u64>(0));
    }
    0
}

/// `void cgroup_cancel_fork(struct task_struct *child, struct
/// kernel_clone_args *kargs)`: on the error path, when `cgroup_can_fork` had
/// succeeded.
#[fentry(function = "cgroup_cancel_fork")]
fn fentry_cgroup_cancel_fork(_: FEntryContext) -> u32 {
    stage::cgroups_had_agreed();
    0
}

/// `unsigned long vm_mmap_pgoff(struct file *file, unsigned long addr, unsigned
/// long len, unsigned long prot, unsigned long flag, unsigned long pgoff)`
#[fexit(function = "vm_mmap_pgoff")]
fn fexit_stack_mmap(ctx: FExitContext) -> u32 {
    let flags = ctx.arg::<u64>(4);
    if stack::is_stack(flags) {
        let request = Request {
            start: 0,
            len: ctx.arg::<u64>(2),
            prot: ctx.arg::<u64>(3),
            flags,
        };
        stack::mapped(ctx.arg::<i64>(6), &request, style::FEXIT);
    }
    0
}

/// `int do_mprotect_pkey(unsigned long start, size_t len, unsigned long prot,
/// int pkey)`
#[fexit(function = "do_mprotect_pkey")]
fn fexit_stack_mprotect(ctx: FExitContext) -> u32 {
    stack::protected(
        ctx.arg::<i64>(4),
        ctx.arg::<u64>(0),
        ctx.arg::<u64>(1),
        ctx.arg::<u64>(2),
        style::FEXIT,
    );
    0
}
