//! Threads' stacks that can't be mapped (`--thread-stacks`): what is hooked for
//! them, and what their events say.
//!
//! Threads' stacks (`--thread-stacks`) are refused where no creation is tried, in mmap and
//! mprotect. `probe/stacks.rs` lists the hooks, which only this option attaches;
//! `forktrace-ebpf/src/stack.rs` recognises a stack's mapping by MAP_STACK, and an
//! mprotect by the thread's own mmap right before it (a map entry by thread id, which any
//! mprotect of the thread removes). The refusal travels as the same event with a stage of its
//! own and the numbers of the address space; `evidence/thread_stack.rs` makes the kernel's
//! comparisons in the kernel's order, which differs between the two calls. kretprobes and
//! tracepoints don't see the arguments and read them from the caller's saved registers. One
//! program sits on each return: on kernels that preempt themselves, what it was skipped for
//! counts as possibly missed.

use forktrace_common::{
    event::{FailureEvent, Stage},
    stack::{CAP_IPC_LOCK, HAVE_MAX_MAP_COUNT},
};

use super::style::{Hook, Role, Trampoline};
use crate::{
    arch::{Page, addresses, symbols},
    evidence::{ThreadStack, thread_stack::Call},
    host::limits,
};

/// Hooks of every mmap and mprotect: attached with the option only. mprotect
/// first, which has to end what mmap begins.
pub const HOOKS: &[Hook] = &[
    Hook {
        role: Role::StackMprotect,
        // What a kprobe needs is in the registers of user space, which any function of the call has.
        targets: &["do_mprotect_pkey", symbols::MPROTECT],
        trampoline: Some(Trampoline::Fexit(&["fexit_stack_mprotect"])),
        kprobes: &["kretprobe_stack_mprotect"],
        lost: "a thread's stack that can't be made accessible is not seen",
    },
    Hook {
        role: Role::StackMmap,
        targets: &["vm_mmap_pgoff"],
        trampoline: Some(Trampoline::Fexit(&["fexit_stack_mmap"])),
        kprobes: &["kretprobe_stack_mmap"],
        lost: "a thread's stack that can't be mapped is not seen",
    },
];

/// Tracepoints of the category `syscalls`, with their programs.
pub const TRACEPOINTS: &[(&str, &str)] = &[
    ("sys_exit_mprotect", "sys_exit_stack_mprotect"),
    ("sys_exit_mmap", "sys_exit_stack_mmap"),
];

// include/uapi/asm-generic/mman-common.h, mman.h
const PROT_WRITE: u64 = 2;
const MAP_LOCKED: u64 = 0x2000;
const MAP_NORESERVE: u64 = 0x4000;
const VM_LOCKED: u64 = 0x2000; // include/linux/mm.h

/// The call that was refused; `None` for a creation.
pub fn call(event: &FailureEvent) -> Option<Call> {
    match Stage::from_u8(event.stage) {
        Stage::StackMmap => Some(Call::Mmap),
        Stage::StackMprotect => Some(Call::Mprotect),
        _ => None,
    }
}

/// The stack that was refused; `None` for a creation.
pub fn thread_stack(event: &FailureEvent) -> Option<ThreadStack> {
    let call = call(event)?;
    let (s, page) = (&event.space, Page::here());
    let limit = |n: u64| (n != libc::RLIM_INFINITY).then_some(n);
    let max_maps = if s.flags & HAVE_MAX_MAP_COUNT != 0 {
        u64::try_from(s.max_map_count).ok()
    } else {
        limits::max_map_count()
    };
    Some(ThreadStack {
        call,
        requested: page.taken(s.request.len),
        writable: s.request.prot & PROT_WRITE != 0,
        no_reserve: s.request.flags & MAP_NORESERVE != 0,
        locked: s.request.flags & MAP_LOCKED != 0 || s.def_flags & VM_LOCKED != 0,
        may_lock: s.flags & CAP_IPC_LOCK != 0,
        total: page.times(s.total_vm),
        data: page.times(s.data_vm),
        locked_memory: page.times(s.locked_vm),
        rlimit_as: limit(s.rlimit_as),
        rlimit_data: limit(s.rlimit_data),
        rlimit_data_max: limit(s.rlimit_data_max),
        data_ignored: limits::data_limit_ignored(),
        rlimit_memlock: limit(s.rlimit_memlock),
        maps: u64::try_from(s.map_count).unwrap_or(0),
        max_maps,
        page,
        addresses: addresses(),
    })
}
