//! The task iterator: writes the tasks that a limit counts, one [`Task`] each, for who reads from its
//! descriptor. It runs in that reader's context, and never by itself.
//!
//! The kernel (kernel/bpf/task_iter.c, 5.8+) goes through the ids of the reader's pid namespace, zombies
//! included. A task that has ended keeps its `cgroups` until it is reaped, in every hierarchy
//! (kernel/cgroup/cgroup.c `cgroup_exit` leaves the pointer, `cgroup_free` drops it), though /proc says
//! of a zombie in v1 that it is in the root.

use core::ffi::c_void;

use aya_ebpf::{bindings::seq_file, helpers::generated::bpf_seq_write};
use forktrace_common::task::{Query, Task, flag, of};

use crate::{
    cgroup,
    maps::{TASKS_OF, offset},
    mem,
    walk::{Step, Walk, up},
};

const PF_EXITING: u32 = 4; // include/linux/sched.h
const PF_KTHREAD: u32 = 0x0020_0000;

/// Namespaces on the way up: level 33 is the deepest (kernel/user_namespace.c), 32 of pid namespaces.
const LEVELS: u32 = forktrace_common::event::USER_NS_LEVELS as u32;

/// `struct bpf_iter__task`: `meta`, whose first word is the file that is read, and `task`, null after
/// the last one.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
fn iter_task(ctx: *mut c_void) -> i32 {
    let ctx = ctx.cast::<u64>();
    // SAFETY: the context has two words, the verifier checks it.
    let (meta, task) = unsafe { (ctx.read(), ctx.add(1).read()) };
    if task == 0 {
        return 0;
    }
    // SAFETY: `meta` is never null, and the verifier knows its type.
    let file = unsafe { (meta as *const u64).read() };
    let task = mem::unknown(task);
    let Some(query) = TASKS_OF.get_ptr(0) else {
        return 0;
    };
    let mut out = Task {
        cgroup: 0,
        cgroups: 0,
        tid: 0,
        tgid: 0,
        ppid: 0,
        uid: 0,
        threads: 0,
        flags: 0,
        comm: [0; 16],
    };
    if !counts(query, task, &raw mut out) {
        return 0;
    }
    describe(task, &raw mut out);
    // SAFETY: the file is the reader's, and `out` has that many bytes. The kernel calls again with a
    // task that the reader's buffer had no room for.
    unsafe {
        bpf_seq_write(
            file as *mut seq_file,
            (&raw const out).cast_mut().cast(),
            Task::BYTES as u32,
        );
    }
    0
}

/// Whether the limit counts this task, or, where processes are listed, this process.
#[inline(never)]
fn counts(query: *const Query, task: u64, out: *mut Task) -> bool {
    // SAFETY: a map value, and the caller's variable.
    let (query, out) = unsafe { (&*query, &mut *out) };
    let cset = mem::pointer(task, offset!(task_cgroups));
    let own = if query.of == of::PIDS_CGROUP {
        mem::pointer(mem::pointer(cset, offset!(cset_pids)), offset!(css_cgroup))
    } else {
        mem::pointer(cset, offset!(cset_dfl_cgrp))
    };
    out.cgroup = cgroup::id(own);
    out.cgroups = cset;
    out.tid = mem::field::<u32>(task, offset!(task_pid));
    out.tgid = mem::field::<u32>(task, offset!(task_tgid));
    if query.of == of::CGROUP || query.of == of::PIDS_CGROUP {
        return cgroup::find::within(own, query.cgroup);
    }
    if out.tid != out.tgid {
        return false;
    }
    if query.of == of::UID {
        return uid(task) == query.uid;
    }
    if query.of == of::USER {
        return charged(task, query.uid, query.inum);
    }
    if query.of == of::PID_NAMESPACE {
        return has_id_in(task, query.inum);
    }
    true
}

/// Real uid. The credentials that count are the task's own, not those that it has assumed.
#[inline(always)]
fn uid(task: u64) -> u32 {
    mem::field::<u32>(
        mem::pointer(task, offset!(task_real_cred)),
        offset!(cred_uid),
    )
}

/// Whether RLIMIT_NPROC counts the task for this user in this namespace: the way of
/// `inc_rlimit_ucounts()` (kernel/ucount.c, 5.14+), from the task's own count to those above it.
#[inline(never)]
fn charged(task: u64, uid: u32, inum: u32) -> bool {
    let cred = mem::pointer(task, offset!(task_real_cred));
    up(ToUser {
        ucounts: mem::pointer(cred, offset!(cred_ucounts)),
        uid,
        inum,
        found: false,
    })
    .found
}

struct ToUser {
    ucounts: u64,
    uid: u32,
    inum: u32,
    found: bool,
}

impl Walk for ToUser {
    const LEVELS: u32 = LEVELS;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.ucounts == 0 {
            return Step::End;
        }
        let ns = mem::pointer(self.ucounts, offset!(ucounts_ns));
        if mem::field::<u32>(self.ucounts, offset!(ucounts_uid)) == self.uid
            && mem::field::<u32>(ns, offset!(userns_inum)) == self.inum
        {
            self.found = true;
            return Step::End;
        }
        self.ucounts = mem::pointer(ns, offset!(userns_ucounts));
        Step::On
    }
}

/// Whether the task has an id in this pid namespace: that is its own or above it.
#[inline(never)]
fn has_id_in(task: u64, inum: u32) -> bool {
    let pid = mem::pointer(task, offset!(task_thread_pid));
    let level = mem::field::<u32>(pid, offset!(pid_level)) as u64;
    // `struct upid` ends with the pointer.
    let stride = offset!(upid_ns) + 8;
    let numbers = pid + offset!(pid_numbers);
    up(ToPidNamespace {
        ns: mem::pointer(numbers + level * stride, offset!(upid_ns)),
        inum,
        found: false,
    })
    .found
}

struct ToPidNamespace {
    ns: u64,
    inum: u32,
    found: bool,
}

impl Walk for ToPidNamespace {
    const LEVELS: u32 = LEVELS;

    #[inline(always)]
    fn step(&mut self, _: usize) -> Step {
        if self.ns == 0 {
            return Step::End;
        }
        if mem::field::<u32>(self.ns, offset!(pidns_inum)) == self.inum {
            self.found = true;
            return Step::End;
        }
        self.ns = mem::pointer(self.ns, offset!(pidns_parent));
        Step::On
    }
}

/// Fills in what is not needed to choose.
#[inline(never)]
fn describe(task: u64, out: *mut Task) {
    // SAFETY: the caller's variable.
    let out = unsafe { &mut *out };
    let leader = mem::pointer(task, offset!(task_group_leader));
    let parent = mem::pointer(leader, offset!(task_real_parent));
    let signal = mem::pointer(leader, offset!(task_signal));
    out.ppid = mem::field::<u32>(parent, offset!(task_tgid));
    out.uid = uid(leader);
    out.threads = mem::field::<u32>(signal, offset!(signal_nr_threads));
    out.comm = mem::field::<[u8; 16]>(leader, offset!(task_comm));
    let own = mem::field::<u32>(task, offset!(task_flags));
    let mut flags = 0;
    if mem::field::<u32>(leader, offset!(task_exit_state)) != 0 {
        flags |= flag::ENDED;
    }
    if own & PF_KTHREAD != 0 {
        flags |= flag::KERNEL;
    }
    if own & PF_EXITING != 0 {
        flags |= flag::EXITING;
    }
    out.flags = flags;
}
