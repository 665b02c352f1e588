//! Entry points, attach style `fexit` (BPF trampolines). Prototypes are those
//! of 5.10 to 7.3 unless said; user space checks them in BTF before attaching.

use aya_ebpf::{
    macros::{fentry, fexit},
    programs::{FEntryContext, FExitContext},
};
use aya_log_ebpf::debug;
use forktrace_common::event::style;

use crate::{maps::setting, note, report, report::Failed, stage, task};

/// `struct task_struct *copy_process(struct pid *pid, int trace, int node,
/// struct kernel_clone_args *args)`
#[fexit(function = "copy_process")]
fn fexit_copy_process(ctx: FExitContext) -> u32 {
    let ret = ctx.arg::<i64>(4);
    let Some(errno) = report::reported_errno(ret) else {
        if setting!(nproc_before_creds) != 0 {
            note::take_reached_creds(task::tid());
        }
        return 0;
    };
    debug!(
        &ctx,
        "copy_process (fexit): errno {}, thread {}",
        errno,
        task::tid()
    );
    report::failed(&Failed {
        args: ctx.arg::<u64>(3),
        errno,
        style: style::FEXIT,
        ..Failed::NONE
    });
    0
}

/// 5.17+: `bool is_rlimit_overlimit(struct ucounts *ucounts, enum rlimit_type
/// type, unsigned long rlimit)`; a bool return is valid in its low 8 bits only.
#[fexit(function = "is_rlimit_overlimit")]
fn fexit_is_rlimit_overlimit(ctx: FExitContext) -> u32 {
    let over = ctx.arg::<u64>(3) as u8 != 0;
    stage::nproc_answered(over, ctx.arg::<u64>(0), ctx.arg::<u64>(2));
    0
}

/// Attached up to 5.13 only: `int copy_creds(struct task_struct *p, unsigned
/// long clone_flags)`.
#[fexit(function = "copy_creds")]
fn fexit_copy_creds(ctx: FExitContext) -> u32 {
    if ctx.arg::<u64>(2) as i32 == 0 {
        let tid = task::tid();
        note::attempt_begins(tid);
        note::reached_creds(tid);
    }
    0
}

/// `int pids_can_fork(struct task_struct *task, struct css_set *cset)`
#[fexit(function = "pids_can_fork")]
fn fexit_pids_can_fork(ctx: FExitContext) -> u32 {
    if ctx.arg::<u64>(2) as i32 != 0 {
        stage::pids_refused(ctx.arg::<u64>(1));
    }
    0
}

/// `void perf_event_free_task(struct task_struct *task)`, or `void
/// security_task_free(struct task_struct *task)`: both on the error path of
/// copy_process().
#[fentry(function = "perf_event_free_task")]
fn fentry_wreck(ctx: FEntryContext) -> u32 {
    stage::wreck(ctx.arg::<u64>(0));
    0
}

/// `bool mem_cgroup_out_of_memory(struct mem_cgroup *memcg, gfp_t gfp_mask,
/// int order)`
#[fexit(function = "mem_cgroup_out_of_memory")]
fn fexit_memcg_oom(ctx: FExitContext) -> u32 {
    if ctx.arg::<u64>(3) as u8 == 0 {
        stage::memcg_oom_failed(ctx.arg::<u64>(0));
    }
    0
}
