//! What a system call that creates a task asks for, from its arguments.

use forktrace_common::clone;

use crate::{cgroup, maps::offset, mem, task};

const NR_CLONE: i32 = 56;
const NR_FORK: i32 = 57;
const NR_VFORK: i32 = 58;
pub const NR_CLONE3: i32 = 435;
// 32-bit: arch/x86/entry/syscalls/syscall_32.tbl. clone3 has one number.
const NR32_FORK: i32 = 2;
const NR32_CLONE: i32 = 120;
const NR32_VFORK: i32 = 190;

/// `struct clone_args`: offset of `cgroup`, and the size that includes it.
const CLONE_ARGS_CGROUP: u64 = 80;
const CLONE_ARGS_SIZE_VER2: u64 = 88;

/// What was asked for.
pub struct Request {
    pub clone_flags: u64,
    /// css of the pids controller in the cgroup that CLONE_INTO_CGROUP names;
    /// 0: the child goes where its parent is.
    pub into_css: u64,
}

/// Whether a system call of this number creates tasks.
#[inline(always)]
pub fn creates(number: i32, compat: bool) -> bool {
    match compat {
        false => matches!(number, NR_CLONE | NR_FORK | NR_VFORK | NR_CLONE3),
        true => matches!(number, NR32_CLONE | NR32_FORK | NR32_VFORK | NR_CLONE3),
    }
}

/// Of a 64-bit call with its first two arguments.
#[inline(always)]
pub fn by_call(number: i32, arg0: u64, arg1: u64) -> Request {
    let clone_flags = flags(number, arg0);
    let mut into_css = 0;
    if number == NR_CLONE3 && clone_flags & clone::INTO_CGROUP != 0 && arg1 >= CLONE_ARGS_SIZE_VER2
    {
        let fd = mem::user::<u64>(arg0 + CLONE_ARGS_CGROUP);
        into_css =
            cgroup::find::pids_css_within(cgroup::find::of_fd(task::current(), fd), own_css());
    }
    Request {
        clone_flags,
        into_css,
    }
}

/// What a 64-bit call with this first argument wants of the child.
#[inline(always)]
fn flags(number: i32, arg0: u64) -> u64 {
    match number {
        // As kernel/fork.c has it: the low byte is the exit signal.
        NR_CLONE => arg0 as u32 as u64 & !clone::CSIGNAL,
        NR_VFORK => clone::VFORK | clone::VM,
        // The caller could have changed it since; that would only misdescribe
        // its own call.
        NR_CLONE3 => mem::user::<u64>(arg0),
        _ => 0,
    }
}

/// Of the creating system call that the current task is in, from its registers.
#[inline(always)]
pub fn by_registers(number: i32, compat: bool) -> Request {
    let (arg0, arg1) = task::arguments(task::current(), compat);
    by_call(native(number, compat), arg0, arg1)
}

/// What that call wants of the child, and not where it is to go.
#[inline(always)]
pub fn flags_by_registers(number: i32, compat: bool) -> u64 {
    let (arg0, _) = task::arguments(task::current(), compat);
    flags(native(number, compat), arg0)
}

/// A creating system call's number among the 64-bit ones.
#[inline(always)]
fn native(number: i32, compat: bool) -> i32 {
    match (number, compat) {
        (NR32_CLONE, true) => NR_CLONE,
        (NR32_VFORK, true) => NR_VFORK,
        (NR32_FORK, true) => NR_FORK,
        _ => number,
    }
}

/// css of the pids controller that a child of the current task is charged to,
/// by default.
#[inline(always)]
pub fn own_css() -> u64 {
    let cset = mem::pointer(task::current(), offset!(task_cgroups));
    mem::pointer(cset, offset!(cset_pids))
}
