//! Threads' stacks that can't be mapped (`--thread-stacks`).
//!
//! pthread_create(3) maps a thread's stack before it asks for the thread:
//! `mmap(PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS|MAP_STACK)`, then `mprotect` of
//! all but the guard (glibc's nptl/allocatestack.c; without a guard, mmap asks
//! for PROT_READ|PROT_WRITE at once). MAP_STACK marks a mapping; an
//! mprotect is a stack's when it is the thread's first one since and stays
//! within what was mapped. These programs are loaded with the option only.

use forktrace_common::{
    event::{FailureEvent, Stage},
    note::{Failed, Note},
    stack::{CAP_IPC_LOCK, HAVE_MAX_MAP_COUNT, Request, Space},
};

use crate::{
    count, facts, filter, limits,
    maps::{STACKS, machine, offset, symbol},
    mem, note, report, snapshot, task,
};

// include/uapi/asm-generic/mman-common.h, mman.h
const PROT_WRITE: u64 = 2;
const MAP_TYPE: u64 = 0x0f;
const MAP_PRIVATE: u64 = 0x02;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_STACK: u64 = 0x2_0000;
const MAP_HUGETLB: u64 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;

/// Whether a mapping with these flags is a thread's stack. What glibc never
/// asks for is checked in other ways by the kernel, and is none.
#[inline(always)]
pub(crate) fn is_stack(flags: u64) -> bool {
    flags
        & (MAP_STACK
            | MAP_ANONYMOUS
            | MAP_TYPE
            | MAP_FIXED
            | MAP_GROWSDOWN
            | MAP_HUGETLB
            | MAP_FIXED_NOREPLACE)
        == MAP_STACK | MAP_ANONYMOUS | MAP_PRIVATE
}

/// What the limits answer; the other errnos (`--errno all`) are creations'.
#[inline(always)]
fn is_refusal(ret: i64) -> bool {
    ret == -report::EAGAIN || ret == -report::ENOMEM
}

/// mmap of a stack ([`is_stack`]) has returned: an address, or a negative errno.
#[inline(never)]
pub(crate) fn mapped(ret: i64, request: &Request, style: u8) {
    let tid = task::tid();
    if is_refusal(ret) {
        let _ = STACKS.insert(tid, request, 0);
        refused(tid, Stage::StackMmap, ret, style);
    } else if (ret as u64) < -4095i64 as u64 && request.prot & PROT_WRITE == 0 {
        // Its mprotect is to follow. What is writable already needs none.
        let _ = STACKS.insert(tid, request, 0);
        if let Some(stack) = STACKS.get_ptr_mut(tid) {
            // SAFETY: a map value that this task alone uses.
            unsafe { (*stack).start = ret as u64 };
        }
    }
}

/// mprotect has returned, of whatever. The thread's stack is mapped no longer
/// "just now": memory that is used again must not pass for it.
#[inline(always)]
pub(crate) fn protected(ret: i64, start: u64, len: u64, prot: u64, style: u8) {
    let tid = task::tid();
    let Some(stack) = STACKS.get_ptr_mut(tid) else {
        return;
    };
    // SAFETY: a map value that this task alone uses.
    let (from, size) = unsafe { ((*stack).start, (*stack).len) };
    let within = start >= from && len <= size && start - from <= size - len;
    let ret = ret as i32 as i64;
    if !within || !is_refusal(ret) {
        let _ = STACKS.remove(tid);
        return;
    }
    // SAFETY: as above.
    unsafe {
        (*stack).start = start;
        (*stack).len = len;
        (*stack).prot = prot;
    }
    refused(tid, Stage::StackMprotect, ret, style);
}

#[inline(never)]
fn refused(tid: u32, stage: Stage, ret: i64, style: u8) {
    // Nothing of an earlier creation's.
    note::forget(tid);
    note::reset(tid);
    if let Some(note) = note::find(tid) {
        // SAFETY: a map value that this task alone uses.
        unsafe {
            (*note).failed = NO_RETURN;
            (*note).failed.ret = ret;
            (*note).failed.style = style;
            (*note).stage = stage as u8;
        }
        send(note, tid);
        note::remove(tid);
    } else {
        count::unkept();
    }
    let _ = STACKS.remove(tid);
}

/// In read-only memory and not on the stack, which is short.
static NO_RETURN: Failed = Failed::NONE;

/// Filters, counts and sends the return that is in the note. Apart from
/// `report::failed`, so that the programs of creations stay as they are.
#[inline(never)]
fn send(note: *mut Note, tid: u32) {
    let current = task::current();
    if !filter::passes(current) {
        return;
    }
    let cset = mem::pointer(current, offset!(task_cgroups));
    let pids_css = mem::pointer(cset, offset!(cset_pids));
    facts::request(note, current);
    facts::keys(note, current, pids_css);
    let Some(mut entry) = report::event(note, current, tid) else {
        return;
    };
    let ev = entry.as_mut_ptr();
    limits::overcommit(ev, current);
    address_space(ev, current, tid);
    snapshot::cgroups(ev, cset, pids_css);
    entry.submit(0);
}

/// What was asked for, and what it is compared with.
#[inline(never)]
fn address_space(ev: *mut FailureEvent, task: u64, tid: u32) {
    let mm = mem::pointer(task, offset!(task_mm));
    let signal = mem::pointer(task, offset!(task_signal));
    // SAFETY: `ev` is a reserved ring-buffer record.
    let space: *mut Space = unsafe { &raw mut (*ev).space };
    // SAFETY: as above.
    unsafe {
        if let Some(request) = STACKS.get_ptr(tid) {
            (*space).request = *request;
        } else {
            (*space).request = NOTHING;
        }
        (*space).total_vm = mem::field::<u64>(mm, offset!(mm_total_vm));
        (*space).data_vm = mem::field::<u64>(mm, offset!(mm_data_vm));
        (*space).locked_vm = mem::field::<u64>(mm, offset!(mm_locked_vm));
        (*space).def_flags = mem::field::<u64>(mm, offset!(mm_def_flags));
        (*space).rlimit_as = rlimit(signal, offset!(signal_rlim_as));
        (*space).rlimit_data = rlimit(signal, offset!(signal_rlim_data));
        (*space).rlimit_memlock = rlimit(signal, offset!(signal_rlim_memlock));
        (*space).rlimit_data_max = rlimit(signal, offset!(signal_rlim_data_max));
        (*space).map_count = mem::field::<i32>(mm, offset!(mm_map_count));
        (*space).max_map_count = 0;
        (*space).flags = 0;
        (*space).reserved = 0;
        if symbol!(sysctl_max_map_count) != 0 {
            (*space).max_map_count = mem::field::<i32>(symbol!(sysctl_max_map_count), 0);
            (*space).flags |= HAVE_MAX_MAP_COUNT;
        }
        if task::may_lock_memory(task) {
            (*space).flags |= CAP_IPC_LOCK;
        }
    }
}

/// A limit that can't be read on this kernel counts as none (RLIM_INFINITY).
#[inline(always)]
fn rlimit(signal: u64, offset: u64) -> u64 {
    if mem::has(offset) {
        mem::field::<u64>(signal, offset)
    } else {
        u64::MAX
    }
}

static NOTHING: Request = Request {
    start: 0,
    len: 0,
    prot: 0,
    flags: 0,
};

/// The current system call has returned, seen without its arguments (a
/// kretprobe, a tracepoint): they are in the caller's registers still. 32-bit
/// calls have others and are not looked at.
#[inline(always)]
pub(crate) fn mmap_returned(ret: i64, style: u8) {
    let regs = task::regs(task::current());
    let flags = task::given!(regs, regs_arg3);
    if !is_stack(flags) {
        return;
    }
    let (number, compat) = task::syscall(task::current());
    if number as u32 != machine!(nr_mmap) || compat {
        return;
    }
    mapped(
        ret,
        &Request {
            start: 0,
            len: task::given!(regs, regs_arg1),
            prot: task::given!(regs, regs_arg2),
            flags,
        },
        style,
    );
}

/// mprotect has returned, seen without its arguments.
#[inline(always)]
pub(crate) fn mprotect_returned(ret: i64, style: u8) {
    if STACKS.get_ptr(task::tid()).is_none() {
        return;
    }
    let regs = task::regs(task::current());
    let (number, compat) = task::syscall(task::current());
    if number as u32 != machine!(nr_mprotect) || compat {
        return;
    }
    protected(
        ret,
        task::given!(regs, regs_arg0),
        task::given!(regs, regs_arg1),
        task::given!(regs, regs_arg2),
        style,
    );
}
