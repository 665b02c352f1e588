//! Fills the event: who asked, for what, and where they live.

use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_ktime_get_ns};
use forktrace_common::{
    event::{CgroupPath, FailureEvent, flag},
    note::Note,
};

use crate::{cgroup, maps::offset, mem, mem::opaque, task};

/// Everything that [`take`] needs, behind one pointer.
pub(crate) struct Subject {
    pub task: u64,
    pub note: *const Note,
    pub tid: u32,
}

/// kernfs id that stands for where the caller lives: its v2 cgroup, or, where
/// the v2 hierarchy isn't used (every task in its root), its pids cgroup.
#[inline(always)]
pub(crate) fn own_cgroup_id(cset: u64, pids_css: u64) -> u64 {
    let own = mem::pointer(cset, offset!(cset_dfl_cgrp));
    if mem::field::<i32>(own, offset!(cgroup_level)) > 0 || pids_css == 0 {
        cgroup::id(own)
    } else {
        cgroup::id(mem::pointer(pids_css, offset!(css_cgroup)))
    }
}

/// Everything but the limits. Each field is written: the record's memory holds
/// what an earlier one left there.
#[inline(never)]
pub(crate) fn take(ev: *mut FailureEvent, s: &Subject) {
    let task = s.task;
    // SAFETY: a live map value.
    let note = unsafe { &*s.note };
    let failed = &note.failed;
    let parent = mem::pointer(task, offset!(task_real_parent));
    let policy = mem::field::<i32>(task, offset!(task_policy));
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe {
        (*ev).time_ns = bpf_ktime_get_ns();
        mem::copy(&raw mut (*ev).key, &note.key);
        (*ev).clone_flags = failed.clone_flags;
        (*ev).flags = failed.flags;
        (*ev).tid = s.tid;
        (*ev).tgid = note.key.tgid;
        (*ev).ppid = mem::field::<u32>(parent, offset!(task_tgid));
        (*ev).uid = task::uid();
        (*ev).euid = mem::field::<u32>(mem::pointer(task, offset!(task_cred)), offset!(cred_euid));
        (*ev).ret = failed.ret as i32;
        (*ev).style = failed.style;
        (*ev).stage = note.key.stage;
        (*ev).user_ns_len = 0;
        (*ev).pid_ns_len = 0;
        (*ev).pids_len = 0;
        (*ev).memory_len = 0;
        (*ev).reserved0 = [0; 2];
        (*ev).reserved1 = 0;
        (*ev).policy = policy;
        (*ev).seccomp_mode = mem::field::<i32>(task, offset!(task_seccomp_mode));
        let comm = &raw mut (*ev).comm;
        // What is left there when it fails is zeroes.
        bpf_get_current_comm(comm.cast(), size_of_val(&(*ev).comm) as u32);
        // Volatile, or they become a `memset`: see `mem::zero`.
        (&raw mut (*ev).pid_max).write_volatile(0);
        (&raw mut (*ev).names_len).write_volatile(0);
        (*ev).pids_delta = failed.pids_delta;
        mem::copy(&raw mut (*ev).facts, &note.facts);
        mem::copy(&raw mut (*ev).memcg_oom, &note.memcg_oom);
        mem::zero(&raw mut (*ev).kmem_near);
        (*ev).memcg_delta = failed.memcg_delta;
        let mm = mem::pointer(task, offset!(task_mm));
        (*ev).pgtables_bytes = mem::field::<u64>(mm, offset!(mm_pgtables_bytes));
    }
}

/// The rest of the flags, and the system call.
#[inline(never)]
pub(crate) fn flags(ev: *mut FailureEvent, s: &Subject) {
    let task = s.task;
    let (_, sys_admin) = task::exemptions(task);
    set(ev, sys_admin, flag::CAP_SYS_ADMIN);
    let (number, compat) = task::syscall(task);
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe { (*ev).syscall = number };
    set(ev, compat, flag::COMPAT);
}

#[inline(always)]
fn set(ev: *mut FailureEvent, on: bool, flag: u32) {
    if on {
        // SAFETY: `ev` is a reserved ring-buffer record.
        unsafe { (*ev).flags |= flag };
    }
}

/// The path of the cgroup that [`own_cgroup_id`] names, and no other.
#[inline(never)]
pub(crate) fn own_path(ev: *mut FailureEvent, cset: u64, pids_css: u64) {
    let own = mem::pointer(cset, offset!(cset_dfl_cgrp));
    let cgroup = if mem::field::<i32>(own, offset!(cgroup_level)) > 0 || pids_css == 0 {
        own
    } else {
        mem::pointer(pids_css, offset!(css_cgroup))
    };
    cgroup::path::record::<0>(ev, cgroup);
    for slot in [1, 2] {
        // SAFETY: `ev` is a reserved ring-buffer record; no path is zeroes.
        unsafe { mem::zero::<CgroupPath>(&raw mut (*ev).paths[slot]) };
    }
}

/// The caller's cgroups: limits on the way up, and paths.
#[inline(never)]
pub(crate) fn cgroups(ev: *mut FailureEvent, cset: u64, pids_css: u64) {
    let memory_css = mem::pointer(cset, offset!(cset_memory));
    cgroup::pids(ev, pids_css);
    cgroup::memory(ev, memory_css);
    let own = mem::pointer(cset, offset!(cset_dfl_cgrp));
    let pids = mem::pointer(pids_css, offset!(css_cgroup));
    let memory = mem::pointer(memory_css, offset!(css_cgroup));
    cgroup::path::record::<0>(ev, own);
    cgroup::path::record::<1>(ev, pids & differs(pids, own));
    cgroup::path::record::<2>(ev, memory & differs(memory, own) & differs(memory, pids));
    // Last: its branches have nothing behind them that the verifier would walk
    // again.
    cgroup::kmem_near(ev, memory_css);
}

/// All ones when the two differ, else zero; without a branch, so that the
/// verifier walks what follows once.
#[inline(always)]
fn differs(one: u64, other: u64) -> u64 {
    let difference = one ^ other;
    // The top bit of one of them is set unless both are zero.
    let top = (difference | opaque(difference.wrapping_neg())) >> 63;
    top.wrapping_neg()
}
