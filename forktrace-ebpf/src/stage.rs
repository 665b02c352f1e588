//! What probed stages note when they refuse.
//!
//! In the `fexit` style one function that every creation goes through is hooked, the exit of
//! `copy_process` (the errno). A hook there costs about 200 instructions, so everything else
//! hangs on what runs on the error path alone and costs a successful fork nothing.
//! `perf_event_free_task` gets the half-made child, and what that still holds shows how far it
//! came: `p->pid` is its own once `alloc_pid` has succeeded, `p->nsproxy` and
//! `p->fs` are null once `copy_namespaces` and `copy_fs` had succeeded and were undone.
//! `cgroup_cancel_fork` runs where the cgroups had agreed, `mem_cgroup_out_of_memory` where a
//! memory cgroup had not. No half-made child at all means one of the first checks.

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use forktrace_common::{event::Stage, facts::fact, note::Note};

use crate::{cgroup, limits, maps::offset, mem, note, task};

const CAP_SYS_ADMIN: u64 = 21; // include/uapi/linux/capability.h
const CAP_SYS_RESOURCE: u64 = 24;

/// `copy_process()` asks `capable(capability)`. For CAP_SYS_RESOURCE it does so
/// only of a task that is over RLIMIT_NPROC, and isn't root's; if that is denied,
/// for CAP_SYS_ADMIN; if that is denied too, it refuses.
///
/// A task that has neither is refused for certain, so the note will be consumed.
/// One that has the first and is asked for the second was denied it by a security
/// module.
#[inline(never)]
pub(crate) fn capability_asked(capability: u64) {
    let task = task::current();
    let (has_resource, has_admin) = task::nproc_capabilities(task);
    let bits = if capability == CAP_SYS_RESOURCE && !has_resource && !has_admin {
        fact::NPROC_ASKED
    } else if capability == CAP_SYS_ADMIN && has_resource {
        fact::CAP_DENIED
    } else {
        return;
    };
    let tid = task::tid();
    // The first thing that a refused creation can note.
    note::forget_unreported(tid);
    let Some(note) = note::open(tid) else { return };
    note::add(note, bits);
    // The child is counted since 5.14.
    limits::nproc_of(note, task, 1);
}

/// TASK_NEW (include/linux/sched.h): what `sched_fork` makes the child.
const TASK_NEW: u32 = 0x800;

/// `copy_process()` gives back the half-made child's credentials: every refusal
/// behind `copy_creds` comes by here.
#[inline(never)]
pub(crate) fn child_seen(child: u64) {
    let Some(note) = note::stage(task::tid()) else {
        return;
    };
    note::add(note, fact::CHILD_SEEN);
    let state = mem::field::<u32>(child, offset!(task_state));
    if state & TASK_NEW != 0 {
        note::add(note, fact::SCHED_REACHED);
    }
    // SAFETY: a map value that this task alone uses.
    unsafe { (*note).child_flags = mem::field::<u32>(child, offset!(task_flags)) };
    if note::has(note, fact::NPROC_ASKED | fact::CAP_DENIED) {
        limits::nproc_of_new_user_ns(note, child);
    }
}

/// `copy_process()` undoes `security_task_alloc`: it had agreed.
#[inline(never)]
pub(crate) fn security_passed() {
    if let Some(note) = note::stage(task::tid()) {
        note::add(note, fact::SECURITY_PASSED);
    }
}

/// `pids_can_fork` gives back the refusing cgroup's charge. `counter` is its
/// counter's address, before it is decremented (kernel/cgroup/pids.c
/// `pids_try_charge`).
#[inline(never)]
pub(crate) fn pids_uncharged(counter: u64) {
    let Some(note) = note::stage(task::tid()) else {
        return;
    };
    let css = counter
        .wrapping_sub(offset!(pids_counter))
        .wrapping_add(offset!(pids_css));
    note::add(note, fact::PIDS_SEEN);
    let mut refused = cgroup::pids_limit(css);
    // Counted still.
    refused.usage -= 1;
    // SAFETY: a map value that this task alone uses.
    unsafe {
        (*note).facts.pids = refused;
    }
}

/// `__vm_enough_memory` takes back the promise of so many pages that it refuses,
/// from the counter at `counter`. Asked for within `copy_process()`.
#[inline(never)]
pub(crate) fn overcommit_refused(pages: i64, counter: u64) {
    let Some(note) = note::stage(task::tid()) else {
        return;
    };
    note::add(note, fact::OVERCOMMIT_REFUSED);
    // SAFETY: a map value that this task alone uses.
    unsafe {
        (*note).facts.overcommit_pages = pages;
        (*note).facts.overcommit_committed =
            mem::field::<i64>(counter, offset!(percpu_counter_count)) - pages;
    }
}

/// The memory cgroup OOM killer has found no victim, within `copy_process()`
/// (mm/memcontrol.c `mem_cgroup_out_of_memory` returned false).
#[inline(never)]
pub(crate) fn memcg_oom_failed(memcg: u64) {
    let Some(note) = note::stage(task::tid()) else {
        return;
    };
    memcg_noted(note, mem::unknown(memcg));
}

/// See [`memcg_oom_failed`].
#[inline(always)]
pub(crate) fn memcg_noted(note: *mut Note, memcg: u64) {
    let limit = cgroup::memory_limit(memcg);
    note::add(note, fact::MEMCG_SEEN);
    // SAFETY: a map value that this task alone uses; the helper takes nothing.
    unsafe {
        (*note).memcg_oom = limit;
        (*note).memcg_ns = bpf_ktime_get_ns();
    }
}

/// `cgroup_can_fork` had succeeded: what refused came after it.
#[inline(never)]
pub(crate) fn cgroups_had_agreed() {
    let Some(note) = note::stage(task::tid()) else {
        return;
    };
    // SAFETY: a map value that this task alone uses.
    unsafe { (*note).stage = Stage::AfterCgroups as u8 };
}

/// A half-made child is being cleared away: `copy_process()` is on its error
/// path past `perf_event_init_task`.
///
/// What the child still holds shows how far it came, because each undone step
/// leaves its pointer null: `exit_fs()` clears `p->fs`,
/// `exit_task_namespaces()` (7.3: `exit_nsproxy_namespaces()`) clears
/// `p->nsproxy`, and `p->pid` is its own, not its parent's, once `alloc_pid()`
/// has succeeded. Read in kernel/fork.c of 5.10, 6.1, 6.12, 6.18 and 7.3.
///
/// `program`: which of two programs looks, from 1. Both see and write the same.
#[inline(never)]
pub(crate) fn cleanup(child: u64, program: u8) {
    let child = mem::unknown(child);
    // `security_task_free`, the stand-in where `perf_event_free_task` can't be
    // probed, also runs for tasks that have lived: these have an exit state.
    if mem::field::<i32>(child, offset!(task_exit_state)) != 0 {
        return;
    }
    let pid = mem::field::<i32>(child, offset!(task_pid));
    let tid = task::tid();
    let stage = if pid as u32 != tid {
        Stage::Cgroups
    } else if mem::pointer(child, offset!(task_nsproxy)) == 0 {
        Stage::IoToPid
    } else if mem::pointer(child, offset!(task_fs)) == 0 {
        Stage::SighandToNamespaces
    } else {
        Stage::SecurityToFs
    };
    let fs = mem::pointer(task::current(), offset!(task_fs));
    let in_exec = mem::field::<i32>(fs, offset!(fs_in_exec)) & 1;
    let Some(note) = note::stage(tid) else { return };
    // SAFETY: a map value that this task alone uses.
    unsafe {
        let noted = (*note).stage;
        let again = (*note).cleanup_seen != 0 && (*note).cleanup_seen != program;
        if noted > Stage::Unseen as u8 && noted <= Stage::Cgroups as u8 && !again {
            // An earlier half-made child, whose return was not reported.
            note::forget(tid);
        }
    }
    let Some(note) = note::open(tid) else { return };
    // SAFETY: as above.
    unsafe {
        // `cgroup_cancel_fork` is more exact.
        if (*note).stage < Stage::AfterCgroups as u8 {
            (*note).stage = stage as u8;
        }
        if in_exec != 0 {
            (*note).facts.bits |= fact::IN_EXEC;
        }
        (*note).cleanup_seen = program;
    }
}
