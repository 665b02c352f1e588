//! What a system call that creates a task asks for, from its arguments.

use forktrace_common::clone;

use crate::{
    cgroup,
    maps::{machine, offset},
    mem, task,
};

/// clone3(2), on every machine and from 32-bit code as well.
pub(crate) const NR_CLONE3: u32 = 435;
// Of 32-bit code: arch/x86/entry/syscalls/syscall_32.tbl, arch/arm64/tools/syscall_32.tbl.
const NR32_FORK: u32 = 2;
const NR32_CLONE: u32 = 120;
const NR32_VFORK: u32 = 190;

/// `struct clone_args`: offset of `cgroup`, and the size that includes it.
const CLONE_ARGS_CGROUP: u64 = 80;
const CLONE_ARGS_SIZE_VER2: u64 = 88;

/// What was asked for.
pub(crate) struct Request {
    pub clone_flags: u64,
    /// css of the pids controller in the cgroup that CLONE_INTO_CGROUP names;
    /// 0: the child goes where its parent is.
    pub into_css: u64,
}

/// A system call that creates tasks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Clone,
    Clone3,
    Fork,
    Vfork,
}

/// Which one has this number.
#[inline(always)]
fn call(number: i32, compat: bool) -> Option<Call> {
    let number = number as u32;
    let (clone, fork, vfork) = if compat {
        (NR32_CLONE, NR32_FORK, NR32_VFORK)
    } else {
        (machine!(nr_clone), machine!(nr_fork), machine!(nr_vfork))
    };
    if number == clone {
        Some(Call::Clone)
    } else if number == NR_CLONE3 {
        Some(Call::Clone3)
    } else if number == fork {
        Some(Call::Fork)
    } else if number == vfork {
        Some(Call::Vfork)
    } else {
        None
    }
}

/// Whether a system call of this number creates tasks.
#[inline(always)]
pub(crate) fn creates(number: i32, compat: bool) -> bool {
    call(number, compat).is_some()
}

/// Of a 64-bit call with its first two arguments.
#[inline(always)]
pub(crate) fn by_call(number: i32, arg0: u64, arg1: u64) -> Request {
    of(call(number, false), arg0, arg1)
}

#[inline(always)]
fn of(call: Option<Call>, arg0: u64, arg1: u64) -> Request {
    let clone_flags = flags(call, arg0);
    let mut into_css = 0;
    if call == Some(Call::Clone3)
        && clone_flags & clone::INTO_CGROUP != 0
        && arg1 >= CLONE_ARGS_SIZE_VER2
    {
        let fd = cgroup_fd(arg0);
        into_css =
            cgroup::find::pids_css_within(cgroup::find::of_fd(task::current(), fd), own_css());
    }
    Request {
        clone_flags,
        into_css,
    }
}

/// The descriptor that the caller's `struct clone_args` names. `copy_clone_args_from_user()`
/// (kernel/fork.c) answers EINVAL to one that is larger than an int can be.
#[inline(always)]
fn cgroup_fd(args: u64) -> u64 {
    mem::user::<u64>(args + CLONE_ARGS_CGROUP)
}

/// The same of the clone3 that a task is in, from its registers; `u64::MAX`, which is none, for
/// another call.
#[inline(always)]
pub(crate) fn cgroup_fd_of_user(task: u64) -> u64 {
    let (number, compat) = task::syscall(task);
    let (args, bytes) = task::arguments(task, compat);
    if number as u32 == NR_CLONE3 && bytes >= CLONE_ARGS_SIZE_VER2 {
        cgroup_fd(args)
    } else {
        u64::MAX
    }
}

/// What a call with this first argument wants of the child.
#[inline(always)]
fn flags(call: Option<Call>, arg0: u64) -> u64 {
    match call {
        // As kernel/fork.c has it: the low byte is the exit signal.
        Some(Call::Clone) => arg0 as u32 as u64 & !clone::CSIGNAL,
        Some(Call::Vfork) => clone::VFORK | clone::VM,
        // The caller could have changed it since; that would only misdescribe
        // its own call.
        Some(Call::Clone3) => mem::user::<u64>(arg0),
        _ => 0,
    }
}

/// Of the creating system call that the current task is in, from its registers.
#[inline(always)]
pub(crate) fn by_registers(number: i32, compat: bool) -> Request {
    let (arg0, arg1) = task::arguments(task::current(), compat);
    of(call(number, compat), arg0, arg1)
}

/// What that call wants of the child, and not where it is to go.
#[inline(always)]
pub(crate) fn flags_by_registers(number: i32, compat: bool) -> u64 {
    let (arg0, _) = task::arguments(task::current(), compat);
    flags(call(number, compat), arg0)
}

/// css of the pids controller that a child of the current task is charged to,
/// by default.
#[inline(always)]
pub(crate) fn own_css() -> u64 {
    let cset = mem::pointer(task::current(), offset!(task_cgroups));
    mem::pointer(cset, offset!(cset_pids))
}
