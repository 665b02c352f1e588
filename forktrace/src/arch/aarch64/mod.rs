//! arm64, with the calls of its 32-bit programs.

pub mod calls;
pub mod instructions;
pub mod symbols;
mod syscall;

use forktrace_common::machine::{Machine, NO_CALL};

use super::Page;

pub use syscall::name as syscall_name;

/// Pages at the end of a process's addresses that it can't have: none
/// (arch/arm64/include/asm/processor.h `TASK_SIZE_64`).
pub(super) const PAGES_AT_THE_END: u64 = 0;

/// Whether `thread_info.status` says that a system call is a 32-bit one.
pub const HAS_COMPAT_STATUS: bool = false;

/// AUDIT_ARCH_AARCH64 (include/uapi/linux/audit.h): how a seccomp filter knows this machine's calls.
pub const AUDIT: u32 = 0xc000_00b7;

/// The system calls that create tasks, each of which has tracepoints.
pub const CREATIONS: &[&str] = &["clone", "clone3"];

/// Why a function takes no program of a trampoline (ENOTSUPP): 2aa6ac03516d, since 6.4.
pub const NO_TRAMPOLINES: &str = "this kernel lets no program attach to a function (on arm64 since Linux 6.4, where it is built without CFI)";

/// What the BPF programs have to know (arch/arm64/include/asm/ptrace.h,
/// include/uapi/asm-generic/unistd.h).
pub(super) fn machine(page: Page) -> Machine {
    /// Where `x0` is kept as it was given: what the call answers takes its place.
    const ORIG_X0: u32 = 34 * 8;
    Machine {
        is_arm64: 1,
        page_shift: page.shift(),
        // MIN_THREAD_SHIFT, without KASAN, and a page at least (CONFIG_VMAP_STACK).
        thread_size: page.bytes().max(16 << 10) as u32,
        regs_bytes: 42 * 8,
        regs_number: 35 * 8,
        regs_answer: 0,
        regs_mode: 33 * 8,
        regs_arg0: ORIG_X0,
        regs_arg1: 8,
        regs_arg2: 2 * 8,
        regs_arg3: 3 * 8,
        regs32_arg0: ORIG_X0,
        regs32_arg1: 8,
        nr_clone: 220,
        nr_fork: NO_CALL,
        nr_vfork: NO_CALL,
        nr_mmap: 222,
        nr_mprotect: 226,
    }
}
