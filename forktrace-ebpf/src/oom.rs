//! Kills by the OOM killer, in all styles: the tracepoint `oom:mark_victim`, which fires at a kill and
//! at nothing else (mm/oom_kill.c `mark_oom_victim`).
//!
//! It runs in the context of who needed memory, the victim being anybody. Its argument was the
//! victim's process id, and is the victim since 72ba14deb40a (6.8, and ported back to the branches
//! from 5.10 on); a plain tracepoint shows the id alone. An id is looked up as the kernel does it.
//!
//! Why somebody had to go isn't in the tracepoint: that is what `oom_kill_process()` is called with,
//! whose entry leaves it for the victims that it marks before it returns. A task that is dying
//! already is marked without it (`out_of_memory`), or in it.

use aya_ebpf::{
    helpers::generated::{bpf_get_current_comm, bpf_ktime_get_ns, bpf_probe_read_kernel_str},
    macros::{fentry, fexit, kprobe, kretprobe, raw_tracepoint, tracepoint},
    programs::{
        FEntryContext, FExitContext, ProbeContext, RawTracePointContext, RetProbeContext,
        TracePointContext,
    },
};
use forktrace_common::{
    count::total,
    event::{FailureEvent, Stage, style},
    note::NO_CGROUP,
    oom::{Choice, constraint},
};

use crate::{
    arch::argument,
    cgroup, count, filter,
    maps::{CHOICES, EVENTS, VICTIMS, offset},
    mem, snapshot, task,
};

/// `void oom_kill_process(struct oom_control *oc, const char *message)`
#[fentry(function = "oom_kill_process")]
fn fentry_oom_kill(ctx: FEntryContext) -> u32 {
    chosen(mem::unknown(ctx.arg::<u64>(0)));
    0
}

#[fexit(function = "oom_kill_process")]
fn fexit_oom_kill(_: FExitContext) -> u32 {
    let _ = CHOICES.remove(task::tid());
    0
}

#[kprobe]
fn kprobe_oom_kill(ctx: ProbeContext) -> u32 {
    chosen(argument!(ctx, 0));
    0
}

#[kretprobe]
fn kretprobe_oom_kill(_: RetProbeContext) -> u32 {
    let _ = CHOICES.remove(task::tid());
    0
}

const SIGNAL_GROUP_EXIT: u32 = 4; // include/linux/sched/signal.h
const PF_EXITING: u32 = 4; // include/linux/sched.h

/// What `oom_kill_process()` has been called with (`struct oom_control`, include/linux/oom.h).
#[inline(never)]
fn chosen(oc: u64) {
    if !mem::has(offset!(oom_constraint)) {
        return;
    }
    let victim = mem::pointer(oc, offset!(oom_chosen));
    let memcg = mem::pointer(oc, offset!(oom_memcg));
    let signal = mem::pointer(victim, offset!(task_signal));
    let killed = mem::field::<u32>(signal, offset!(signal_flags)) & SIGNAL_GROUP_EXIT;
    let exiting = mem::field::<u32>(victim, offset!(task_flags)) & PF_EXITING;
    let choice = Choice {
        constraint: mem::field::<u32>(oc, offset!(oom_constraint)),
        // `task_will_free_mem`, as far as it is of one process.
        dying: (killed | exiting) >> 2,
        tgid: mem::field::<u32>(victim, offset!(task_tgid)),
        reserved: 0,
        limit: if memcg != 0 {
            cgroup::memory_limit(memcg)
        } else {
            NO_CGROUP
        },
    };
    let _ = CHOICES.insert(task::tid(), choice, 0);
}

/// `mark_victim(struct task_struct *task, uid_t uid)`, or `(int pid)`.
#[raw_tracepoint(tracepoint = "mark_victim")]
fn raw_mark_victim(ctx: RawTracePointContext) -> i32 {
    let victim = ctx.arg::<u64>(0);
    // No id has so many bits, and every address has the top one set.
    if victim >> 63 != 0 {
        marked(victim);
    } else {
        marked(by_pid(victim as u32));
    }
    0
}

const PID: usize = 8; // the first field behind the common ones, on all versions

#[tracepoint]
fn mark_victim(ctx: TracePointContext) -> u32 {
    // SAFETY: the offset lies within the context of this tracepoint.
    let pid = unsafe { ctx.read_at::<u32>(PID).unwrap_or(0) };
    marked(by_pid(pid));
    0
}

/// An id has 22 bits (PID_MAX_LIMIT), of which a level of the tree takes six.
const LEVELS: usize = 4;
const SLOTS: u32 = 64; // XA_CHUNK_SIZE, include/linux/xarray.h

/// The task with this id in the initial pid namespace, as `find_task_by_pid_ns()` finds it (kernel/pid.c,
/// lib/radix-tree.c); 0 when it isn't found.
#[inline(always)]
fn by_pid(pid: u32) -> u64 {
    // Level 0 of the ids that any task has.
    let own = mem::pointer(task::current(), offset!(task_thread_pid));
    let initial = mem::pointer(own + offset!(pid_numbers), offset!(upid_ns));
    let mut entry = mem::pointer(initial, offset!(pidns_idr));
    for _ in 0..LEVELS {
        // xa_is_internal(): a node, and no entry yet.
        if entry & 3 != 2 {
            break;
        }
        let node = entry - 2;
        let shift = mem::field::<u8>(node, offset!(xa_node_shift)) as u32;
        let slot = pid.wrapping_shr(shift) & (SLOTS - 1);
        entry = mem::pointer(node + 8 * slot as u64, offset!(xa_node_slots));
    }
    let link = mem::pointer(entry, offset!(pid_tasks));
    let found = link.wrapping_sub(offset!(task_pid_links));
    // Whatever was read on the way: this is it, or there is none.
    if mem::field::<u32>(found, offset!(task_pid)) == pid {
        found
    } else {
        0
    }
}

/// A victim has been marked: reports it, if its process was not reported yet.
#[inline(never)]
fn marked(victim: u64) {
    let tgid = mem::field::<u32>(victim, offset!(task_tgid));
    if tgid == 0 {
        // A kill of which no more is known, and that filters can't be asked about.
        count::total(total::OOM_KILLS);
        count::total(total::OOM_LOST);
        return;
    }
    let leader = mem::pointer(victim, offset!(task_group_leader));
    let process = [
        tgid as u64,
        mem::field::<u64>(leader, offset!(task_start_time)),
    ];
    if VICTIMS.get_ptr(process).is_some() {
        return;
    }
    let _ = VICTIMS.insert(process, 0u32, 0);
    let cred = mem::pointer(victim, offset!(task_real_cred));
    let uid = mem::field::<u32>(cred, offset!(cred_uid));
    let mut comm = [0u8; 16];
    name(&mut comm, victim);
    if !filter::passes_other(victim, uid, &comm) {
        return;
    }
    count::total(total::OOM_KILLS);
    let Some(mut entry) = EVENTS.reserve::<FailureEvent>(0) else {
        count::total(total::OOM_LOST);
        return;
    };
    let ev = entry.as_mut_ptr();
    fill(ev, victim, uid, &comm);
    cause(ev, tgid);
    let cset = mem::pointer(victim, offset!(task_cgroups));
    snapshot::cgroups(ev, cset, mem::pointer(cset, offset!(cset_pids)));
    entry.submit(0);
}

/// A task's name. What is behind its end in the kernel is left out, for names are compared whole.
#[inline(always)]
fn name(comm: &mut [u8; 16], task: u64) {
    if !mem::has(offset!(task_comm)) {
        return;
    }
    let from = task + offset!(task_comm);
    // SAFETY: the helper writes no more than 16 bytes, and checks the address.
    unsafe { bpf_probe_read_kernel_str(comm.as_mut_ptr().cast(), 16, from as *const _) };
}

/// Who the victim is. What else the record has is not looked at, but for what [`snapshot::cgroups`]
/// goes by.
#[inline(never)]
fn fill(ev: *mut FailureEvent, victim: u64, uid: u32, comm: &[u8; 16]) {
    let parent = mem::pointer(victim, offset!(task_real_parent));
    let signal = mem::pointer(victim, offset!(task_signal));
    // SAFETY: `ev` is a reserved ring-buffer record.
    unsafe {
        (*ev).time_ns = bpf_ktime_get_ns();
        (*ev).stage = Stage::OomKill as u8;
        (*ev).style = style::TRACEPOINT;
        (*ev).clone_flags = 0;
        (*ev).tid = mem::field::<u32>(victim, offset!(task_pid));
        (*ev).tgid = mem::field::<u32>(victim, offset!(task_tgid));
        (*ev).ppid = mem::field::<u32>(parent, offset!(task_tgid));
        (*ev).uid = uid;
        (*ev).comm = *comm;
        (*ev).pids_len = 0;
        (*ev).memory_len = 0;
        (&raw mut (*ev).names_len).write_volatile(0);
        (*ev).oom.by_tgid = task::tgid();
        (*ev).oom.by_tid = task::tid();
        let by = &raw mut (*ev).oom.by_comm;
        // What is left there when it fails is zeroes.
        bpf_get_current_comm(by.cast(), 16);
        (*ev).oom.score_adj = mem::field::<i16>(signal, offset!(signal_oom_score_adj)) as i32;
        (*ev).oom.reserved = 0;
    }
}

/// Why it had to go, as far as `oom_kill_process()` was seen to be called.
#[inline(never)]
fn cause(ev: *mut FailureEvent, tgid: u32) {
    // SAFETY: `ev` is a reserved ring-buffer record.
    let (kill, limit) = unsafe { (&raw mut (*ev).oom, &raw mut (*ev).memcg_oom) };
    let Some(choice) = CHOICES.get_ptr(task::tid()) else {
        // SAFETY: as above.
        unsafe {
            (*kill).constraint = constraint::UNKNOWN;
            (*kill).dying = constraint::UNKNOWN;
            mem::zero(limit);
        }
        return;
    };
    // SAFETY: as above, and a map value that this task alone uses.
    unsafe {
        (*kill).constraint = (*choice).constraint;
        (*kill).dying = if (*choice).tgid == tgid {
            (*choice).dying
        } else {
            constraint::UNKNOWN
        };
        mem::copy(limit, &raw const (*choice).limit);
    }
}
