//! Gathers at a failing return what its verdict is made of, and makes the key that
//! it is counted by of the same: so what is counted together has one verdict.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use forktrace_common::{
    clone,
    count::operation,
    event::{Stage, flag, small_parts, style},
    facts::fact,
    note::{Failed, Note},
};

use crate::{
    cgroup, ids, limits,
    maps::{machine, offset},
    mem, note,
    report::{EAGAIN, ENOMEM},
    request, snapshot, task,
};

/// SCHED_DEADLINE (include/uapi/linux/sched.h).
const SCHED_DEADLINE: i32 = 6;
// include/linux/sched.h
const PF_IO_WORKER: u32 = 0x10;
pub(crate) const PF_KTHREAD: u32 = 0x0020_0000;

/// Older than this, what refused memory did so in another creation, which went on
/// without. The failing return follows within what clearing away a half-made child takes: its
/// address space under a small share of the processors, and its files, which a network's file system
/// writes out. What overcommit has refused within copy_process() no creation goes on without.
const FRESH_NS: u64 = 60_000_000_000;

/// Gathers what the checks compared, for the errnos that limits answer.
#[inline(never)]
pub(crate) fn gather(note: *mut Note, task: u64, pids_css: u64) {
    // SAFETY: a live map value that this task alone uses.
    let ret = unsafe { (*note).failed.ret };
    only_fresh(note);
    of_caller(note, task);
    if ret == -EAGAIN {
        if !note::has(note, fact::NPROC_ASKED | fact::CAP_DENIED) {
            of_nproc(note, task);
        }
        limits::threads(note);
        if !note::has(note, fact::PIDS_SEEN) {
            cgroup::first_full(note, pids_css);
        }
    }
    if ret == -EAGAIN || ret == -ENOMEM {
        ids::looked_for(note, task);
    }
    if ret == -ENOMEM && !note::has(note, fact::MEMCG_SEEN) {
        of_memory(note, task);
    }
}

/// Which memory cgroup is full by its numbers, as user space will conclude.
#[inline(always)]
fn of_memory(note: *mut Note, task: u64) {
    let mm = mem::pointer(task, offset!(task_mm));
    let half_made =
        mem::field::<u64>(mm, offset!(mm_pgtables_bytes)) + small_parts(machine!(page_shift));
    let cset = mem::pointer(task, offset!(task_cgroups));
    let full = cgroup::full_memory(mem::pointer(cset, offset!(cset_memory)), half_made);
    // SAFETY: as in `gather`.
    unsafe { (*note).memcg_full = full };
}

/// Up to the return the child is not counted any more. With CLONE_NEWUSER the
/// kernel's way begins with the effective user, whose counts are not at hand.
#[inline(always)]
fn of_nproc(note: *mut Note, task: u64) {
    // SAFETY: as in `gather`.
    let flags = unsafe { (*note).failed.clone_flags };
    let cred = mem::pointer(task, offset!(task_cred));
    if flags & clone::NEWUSER != 0 && mem::field::<u32>(cred, offset!(cred_euid)) != task::uid() {
        return;
    }
    limits::nproc_of(note, task, 0);
}

/// Drops what is too old to be of this creation.
#[inline(always)]
fn only_fresh(note: *mut Note) {
    // SAFETY: as in `gather`; the helper takes nothing.
    unsafe {
        if bpf_ktime_get_ns().wrapping_sub((*note).memcg_ns) > FRESH_NS {
            (*note).facts.bits &= !fact::MEMCG_SEEN;
        }
    }
}

/// Facts about the caller itself.
#[inline(always)]
fn of_caller(note: *mut Note, task: u64) {
    let (exempt, _) = task::exemptions(task);
    if exempt {
        note::add(note, fact::NPROC_EXEMPT);
    }
    let (has_resource, has_admin) = task::nproc_capabilities(task);
    if task::uid() != 0 && has_admin && !has_resource {
        note::add(note, fact::NPROC_EXEMPT_BY_ADMIN);
    }
    let policy = mem::field::<i32>(task, offset!(task_policy));
    let reset_on_fork = mem::field::<u8>(task, offset!(task_reset_on_fork_byte)) as u64
        & offset!(task_reset_on_fork_mask);
    if policy == SCHED_DEADLINE && reset_on_fork == 0 {
        note::add(note, fact::DEADLINE);
    }
    // SAFETY: as in `gather`.
    let failed = unsafe { &(*note).failed };
    let fs = mem::pointer(task, offset!(task_fs));
    if mem::field::<i32>(fs, offset!(fs_in_exec)) & 1 != 0 {
        note::add(note, fact::IN_EXEC);
    }
    if failed.clone_flags & clone::FS == 0 {
        // SAFETY: as in `gather`.
        unsafe { (*note).facts.bits &= !fact::IN_EXEC };
    }
    if failed.flags & flag::LIMITS_CHANGED != 0 {
        note::add(note, fact::LIMITS_CHANGED);
    }
    if failed.flags & flag::PIDS_LIMITS_CHANGED != 0 {
        note::add(note, fact::PIDS_LIMITS_CHANGED);
    }
    if failed.flags & flag::HAVE_PIDS_DELTA != 0 && failed.pids_delta > 0 {
        note::add(note, fact::PIDS_DELTA);
    }
    if failed.flags & flag::HAVE_MEMCG_DELTA != 0 && failed.memcg_delta > 0 {
        note::add(note, fact::MEMCG_DELTA);
    }
}

/// Completes what was asked for: flags and who asked, from the arguments where
/// they are at hand, else from the half-made child.
#[inline(never)]
pub(crate) fn request(note: *mut Note, task: u64) {
    // SAFETY: a live map value that this task alone uses.
    unsafe {
        let failed = &mut (*note).failed;
        if failed.args != 0 {
            failed.clone_flags = mem::field::<u64>(failed.args, offset!(args_flags));
            let io = mem::field::<u8>(failed.args, offset!(args_io_thread_byte)) as u64
                & offset!(args_io_thread_mask);
            if io != 0 {
                failed.flags |= flag::IO_THREAD;
            }
            if mem::pointer(failed.args, offset!(args_fn)) != 0 {
                failed.flags |= flag::KERNEL_FN;
            }
        } else if failed.style == style::KPROBE && failed.stage == Stage::Unseen as u8 {
            of_kernel(failed, (*note).child_flags, task);
        }
        let kthread = mem::field::<u32>(task, offset!(task_flags)) & PF_KTHREAD != 0;
        if kthread {
            failed.flags |= flag::CALLER_KTHREAD;
        } else {
            failed.flags |= flag::HAVE_SYSCALL;
        }
    }
}

/// What is created without one of the system calls that create, where the arguments
/// aren't seen: by the half-made child's flags, if it came to one; a task of user space
/// that has none yet was to get an io_uring worker (io_uring/io-wq.c).
#[inline(always)]
fn of_kernel(failed: &mut Failed, child_flags: u32, task: u64) {
    let (number, compat) = task::syscall(task);
    let kthread = mem::field::<u32>(task, offset!(task_flags)) & PF_KTHREAD != 0;
    // A worker can be wanted at the end of a call that creates, too (io_uring's task work).
    let worker = child_flags & PF_IO_WORKER != 0;
    if !worker && !kthread && request::creates(number, compat) {
        return;
    }
    if worker || (child_flags == 0 && !kthread) {
        failed.flags |= flag::IO_THREAD;
        failed.clone_flags = WORKER;
    } else {
        failed.flags |= flag::KERNEL_FN;
        failed.clone_flags = clone::VM;
    }
}

/// kernel/fork.c `create_io_thread`.
const WORKER: u64 = clone::VM | clone::FS | clone::FILES | clone::SIGHAND | clone::THREAD;

/// Makes the keys of a failure whose facts are gathered.
#[inline(never)]
pub(crate) fn keys(note: *mut Note, task: u64, pids_css: u64) {
    let cset = mem::pointer(task, offset!(task_cgroups));
    let (number, compat) = task::syscall(task);
    let cgroup = snapshot::own_cgroup_id(cset, pids_css);
    let namespaces = namespaces(task);
    // SAFETY: a live map value that this task alone uses.
    unsafe {
        let (failed, facts) = (&raw const (*note).failed, &raw const (*note).facts);
        let limit = (*facts).pids.id
            ^ (*note).memcg_oom.id.wrapping_shl(20)
            ^ (*note).memcg_full.wrapping_shl(12)
            ^ (*failed).clone_flags.rotate_left(40)
            ^ namespaces
            ^ ((*facts).nproc_uid as u64).wrapping_shl(32)
            ^ ((*facts).nproc_limit_ns as u64).wrapping_shl(24)
            ^ ((*facts).nproc_level as u64).wrapping_shl(56)
            ^ ((*facts).pid_level as u64).wrapping_shl(48);
        let of_call = ((*failed).flags & flag::HAVE_SYSCALL != 0) as u16;
        let key = &raw mut (*note).key;
        (*key).facts = (*facts).bits;
        (*key).errno = (*failed).ret.wrapping_neg() as u16;
        (*key).stage = if (*failed).stage != Stage::Unseen as u8 {
            (*failed).stage
        } else {
            (*note).stage
        };
        (*key).operation = operation_of((*failed).clone_flags, (*failed).flags);
        (*key).syscall = ((number as u16 & 0x7fff) | (compat as u16) << 15) * of_call;
        (*key).reserved = [0; 3];
        (*key).tgid = 0;
        (*key).uid = 0;
        (*key).cgroup = 0;
        (*key).limit = 0;
        mem::copy(&raw mut (*note).check, key);
        (*key).uid = task::uid();
        (*key).cgroup = cgroup;
        (*key).limit = limit;
        mem::copy(&raw mut (*note).group, key);
        (*key).tgid = task::tgid();
    }
}

/// Whose namespaces a creation of the task begins in, in one number: limits of the levels above are
/// theirs, and a task can go from one to another between two creations.
#[inline(always)]
fn namespaces(task: u64) -> u64 {
    let cred = mem::pointer(task, offset!(task_cred));
    let user = mem::pointer(cred, offset!(cred_user_ns));
    let nsproxy = mem::pointer(task, offset!(task_nsproxy));
    let pid = mem::pointer(nsproxy, offset!(nsproxy_pid_ns_for_children));
    let euid = mem::field::<u32>(cred, offset!(cred_euid)) as u64;
    user.rotate_left(8) ^ pid.rotate_left(24) ^ euid.rotate_left(36)
}

/// Bits of `forktrace_common::count::operation`, without a branch.
#[inline(always)]
fn operation_of(clone_flags: u64, flags: u32) -> u8 {
    let bit = |on: bool, bit: u8| on as u8 * bit;
    bit(clone_flags & clone::THREAD != 0, operation::THREAD)
        | bit(clone_flags & clone::VFORK != 0, operation::VFORK)
        | bit(clone_flags & clone::VM != 0, operation::VM)
        | bit(clone_flags & clone::FS != 0, operation::FS)
        | bit(clone_flags & clone::NEWUSER != 0, operation::NEWUSER)
        | bit(
            clone_flags & clone::INTO_CGROUP != 0,
            operation::INTO_CGROUP,
        )
        | bit(
            flags & (flag::KERNEL_FN | flag::CALLER_KTHREAD) != 0,
            operation::KERNEL,
        )
        | bit(flags & flag::IO_THREAD != 0, operation::IO_WORKER)
}
