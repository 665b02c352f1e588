//! What the probed stages have to say when they refuse.

use forktrace_common::{event::Stage, note::Note};

use crate::{cgroup, limits, maps::offset, mem, note, task};

/// `is_rlimit_overlimit(ucounts, UCOUNT_RLIMIT_NPROC, rlimit)` has answered
/// "over" (kernel/ucount.c; up to 5.13 the comparison is inline). That refuses
/// only a caller that isn't exempt: copy_process() asks afterwards.
#[inline(never)]
pub fn nproc_over(note: *mut Note, ucounts: u64, rlimit: u64) {
    if !task::exemptions(task::current()).0 {
        write_nproc(note, ucounts, rlimit);
    }
}

#[inline(always)]
fn write_nproc(note: *mut Note, ucounts: u64, rlimit: u64) {
    let (level, usage, limit) = limits::nproc_refusing_level(ucounts, rlimit);
    // SAFETY: a map value that this task alone uses.
    unsafe {
        (*note).stage = Stage::Nproc as u8;
        (*note).nproc_level = level;
        (*note).nproc_usage = usage;
        (*note).nproc_limit = limit;
    }
}

/// `pids_can_fork(task, cset)` has refused (kernel/cgroup/pids.c). `cset` is
/// the css_set that the child would get, so CLONE_INTO_CGROUP is covered.
#[inline(never)]
pub fn pids_refused(cset: u64) {
    let Some(note) = note::open(task::tid()) else {
        return;
    };
    let css = mem::pointer(cset, offset!(cset_pids));
    let refused = cgroup::first_full(css);
    // SAFETY: a map value that this task alone uses.
    unsafe {
        (*note).stage = Stage::Pids as u8;
        (*note).pids_css = css;
        (*note).refused = refused;
    }
}

/// The memory cgroup OOM killer has found no victim
/// (mm/memcontrol.c `mem_cgroup_out_of_memory` returned false). Page faults and
/// other system calls charge memory too: only a creation is of interest.
#[inline(never)]
pub fn memcg_oom_failed(memcg: u64) {
    if !task::creating() {
        return;
    }
    let Some(note) = note::open(task::tid()) else {
        return;
    };
    memcg_noted(note, mem::unknown(memcg));
}

/// See [`memcg_oom_failed`].
#[inline(always)]
pub fn memcg_noted(note: *mut Note, memcg: u64) {
    let limit = cgroup::memory_limit(memcg);
    // SAFETY: a map value that this task alone uses.
    unsafe { (*note).memcg_oom = limit };
}

/// `cgroup_can_fork` had succeeded: what refused came after it.
#[inline(never)]
pub fn cgroups_had_agreed() {
    let Some(note) = note::open(task::tid()) else {
        return;
    };
    // SAFETY: a map value that this task alone uses.
    unsafe { (*note).stage = Stage::AfterCgroups as u8 };
}

/// A half-made child is being cleared away: `copy_process()` is on its error
/// path past `perf_event_init_task`.
///
/// What the child still holds tells how far it came, because each undone step
/// leaves its pointer null: `exit_fs()` clears `p->fs`,
/// `exit_task_namespaces()` (7.3: `exit_nsproxy_namespaces()`) clears
/// `p->nsproxy`, and `p->pid` is its own, not its parent's, once `alloc_pid()`
/// has succeeded. Read in kernel/fork.c of 5.10, 6.1, 6.12, 6.18 and 7.3.
///
/// `program`: which of two programs looks, from 1. Both see and write the same.
#[inline(never)]
pub fn wreck(child: u64, program: u8) {
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
    let Some(note) = note::open(tid) else { return };
    // SAFETY: a map value that this task alone uses.
    unsafe {
        let noted = (*note).stage;
        let again = (*note).wrecked != 0 && (*note).wrecked != program;
        if noted > Stage::Nproc as u8 && noted < Stage::Pids as u8 && !again {
            // An earlier wreck whose return was not reported.
            note::forget(tid);
            note::reset(tid);
        }
    }
    let Some(note) = note::find(tid) else { return };
    // SAFETY: as above.
    unsafe {
        // What the controllers said themselves is more exact.
        if (*note).stage < Stage::Pids as u8 {
            (*note).stage = stage as u8;
        }
        (*note).in_exec = in_exec as u8;
        (*note).wrecked = program;
    }
}
