//! The current task.

use aya_ebpf::helpers::generated::{
    bpf_get_current_pid_tgid, bpf_get_current_task, bpf_get_current_task_btf,
    bpf_get_current_uid_gid, bpf_task_pt_regs,
};

use crate::{
    arch,
    maps::{machine, offset, setting},
    mem,
};

/// Address of the current `task_struct`.
#[inline(always)]
pub(crate) fn current() -> u64 {
    // SAFETY: no arguments, always allowed.
    unsafe { bpf_get_current_task() }
}

/// Current thread id, as the initial pid namespace numbers it.
#[inline(always)]
pub(crate) fn tid() -> u32 {
    // SAFETY: no arguments, always allowed.
    unsafe { bpf_get_current_pid_tgid() as u32 }
}

/// Thread group of the current task, likewise.
#[inline(always)]
pub(crate) fn tgid() -> u32 {
    // SAFETY: no arguments, always allowed.
    unsafe { (bpf_get_current_pid_tgid() >> 32) as u32 }
}

/// Real uid of the current task, as the initial user namespace numbers it.
#[inline(always)]
pub(crate) fn uid() -> u32 {
    // SAFETY: no arguments, always allowed.
    unsafe { bpf_get_current_uid_gid() as u32 }
}

const SIGNAL_GROUP_EXIT: u32 = 4; // include/linux/sched/signal.h
const SIGKILL_MASK: u64 = 1 << 8;

/// The task is being killed: nothing that it is answered reaches user space
/// (`fatal_signal_pending`, and a group exit under way).
#[inline(always)]
pub(crate) fn dying(task: u64) -> bool {
    let signal = mem::pointer(task, offset!(task_signal));
    let flags = mem::field::<u32>(signal, offset!(signal_flags));
    let own = mem::field::<u64>(task, offset!(task_pending_signal));
    let shared = mem::field::<u64>(signal, offset!(signal_shared_pending));
    flags & SIGNAL_GROUP_EXIT != 0 || (own | shared) & SIGKILL_MASK != 0
}

const CAP_SYS_ADMIN: u64 = 1 << 21;
const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// The exemptions of `copy_process()` that hold for the current task: from
/// RLIMIT_NPROC, and CAP_SYS_ADMIN.
///
/// `capable()` asks for the capability in the initial user namespace, so it
/// counts only in credentials that belong there.
#[inline(always)]
pub(crate) fn exemptions(task: u64) -> (bool, bool) {
    let cred = mem::pointer(task, offset!(task_cred));
    let ns = mem::pointer(cred, offset!(cred_user_ns));
    // A null namespace would read as level 0.
    let initial = ns != 0 && mem::field::<i32>(ns, offset!(userns_level)) == 0;
    let caps = mem::field::<u64>(cred, offset!(cred_cap_effective));
    let either = initial && caps & (CAP_SYS_ADMIN | CAP_SYS_RESOURCE) != 0;
    (uid() == 0 || either, initial && caps & CAP_SYS_ADMIN != 0)
}

/// CAP_SYS_RESOURCE and CAP_SYS_ADMIN in the initial user namespace, as the
/// credentials have them; a security module may deny them all the same.
#[inline(always)]
pub(crate) fn nproc_capabilities(task: u64) -> (bool, bool) {
    let cred = mem::pointer(task, offset!(task_cred));
    let ns = mem::pointer(cred, offset!(cred_user_ns));
    let initial = ns != 0 && mem::field::<i32>(ns, offset!(userns_level)) == 0;
    let caps = mem::field::<u64>(cred, offset!(cred_cap_effective));
    (
        initial && caps & CAP_SYS_RESOURCE != 0,
        initial && caps & CAP_SYS_ADMIN != 0,
    )
}

/// CAP_SYS_ADMIN in the current task's own user namespace.
#[inline(always)]
pub(crate) fn own_sys_admin(task: u64) -> bool {
    let cred = mem::pointer(task, offset!(task_cred));
    mem::field::<u64>(cred, offset!(cred_cap_effective)) & CAP_SYS_ADMIN != 0
}

const CAP_IPC_LOCK: u64 = 1 << 14; // include/uapi/linux/capability.h

/// RLIMIT_MEMLOCK doesn't apply to the current task: `capable(CAP_IPC_LOCK)`,
/// which asks in the initial user namespace.
#[inline(always)]
pub(crate) fn may_lock_memory(task: u64) -> bool {
    let cred = mem::pointer(task, offset!(task_cred));
    let ns = mem::pointer(cred, offset!(cred_user_ns));
    let initial = ns != 0 && mem::field::<i32>(ns, offset!(userns_level)) == 0;
    initial && mem::field::<u64>(cred, offset!(cred_cap_effective)) & CAP_IPC_LOCK != 0
}

/// An argument of a 64-bit system call, of which these are the registers.
macro_rules! given {
    ($regs:expr, $which:ident) => {
        $crate::mem::field::<u64>($regs, $crate::maps::machine!($which) as u64)
    };
}
pub(crate) use given;

/// The registers of user space, as the task left them when it entered the
/// kernel. Meaningless for kernel threads.
#[inline(always)]
pub(crate) fn regs(task: u64) -> u64 {
    if setting!(have_task_pt_regs) != 0 {
        // SAFETY: the pointer comes straight from the helper that the verifier
        // wants it from; kernels without the helpers have the setting at 0,
        // and the verifier prunes this branch.
        unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) as u64 }
    } else {
        let stack = mem::pointer(task, offset!(task_stack));
        stack + machine!(thread_size) as u64 - machine!(regs_bytes) as u64
    }
}

/// The system call that the task is in: number, and whether it came from
/// 32-bit code. Meaningless for kernel threads; 0 (read) when not known.
#[inline(always)]
pub(crate) fn syscall(task: u64) -> (i32, bool) {
    let regs = regs(task);
    let number = mem::field::<i32>(regs, machine!(regs_number) as u64);
    let mode = mem::field::<u64>(regs, machine!(regs_mode) as u64);
    (number, arch::is_compat(task, mode))
}

/// What the system call that the task is in answers, as far as it is decided.
#[inline(always)]
pub(crate) fn answer(task: u64) -> i64 {
    mem::field::<i64>(regs(task), machine!(regs_answer) as u64)
}

/// The first two arguments of the system call that the task is in.
#[inline(always)]
pub(crate) fn arguments(task: u64, compat: bool) -> (u64, u64) {
    let regs = regs(task);
    if compat {
        // What is above 32 bits isn't the caller's.
        (
            mem::field::<u32>(regs, machine!(regs32_arg0) as u64) as u64,
            mem::field::<u32>(regs, machine!(regs32_arg1) as u64) as u64,
        )
    } else {
        (given!(regs, regs_arg0), given!(regs, regs_arg1))
    }
}
