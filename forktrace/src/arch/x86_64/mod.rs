//! x86-64, with its 32-bit calls.

pub mod calls;
pub mod instructions;
pub mod symbols;
mod syscall;

use forktrace_common::machine::Machine;

use super::Page;

pub use syscall::name as syscall_name;

/// Pages at the end of a process's addresses that it can't have
/// (arch/x86/include/asm/page_64.h `task_size_max`).
pub(super) const PAGES_AT_THE_END: u64 = 1;

/// Whether `thread_info.status` says that a system call is a 32-bit one
/// (arch/x86/include/asm/thread_info.h).
pub const HAS_COMPAT_STATUS: bool = true;

/// AUDIT_ARCH_X86_64 (include/uapi/linux/audit.h): how a seccomp filter knows this machine's calls.
pub const AUDIT: u32 = 0xc000_003e;

/// The system calls that create tasks, each of which has tracepoints.
pub const CREATIONS: &[&str] = &["clone", "clone3", "fork", "vfork"];

/// Why a function takes no program of a trampoline (ENOTSUPP).
pub const NO_TRAMPOLINES: &str = "this kernel lets no program attach to the function";

/// What the BPF programs have to know (arch/x86/include/asm/ptrace.h,
/// arch/x86/entry/syscalls/syscall_64.tbl).
pub(super) fn machine(page: Page) -> Machine {
    Machine {
        is_arm64: 0,
        page_shift: page.shift(),
        // Without KASAN (arch/x86/include/asm/page_64_types.h).
        thread_size: 16 << 10,
        regs_bytes: 21 * 8,
        // orig_ax, ax, cs.
        regs_number: 15 * 8,
        regs_answer: 10 * 8,
        regs_mode: 17 * 8,
        // di, si, dx, r10.
        regs_arg0: 14 * 8,
        regs_arg1: 13 * 8,
        regs_arg2: 12 * 8,
        regs_arg3: 7 * 8,
        // bx, cx.
        regs32_arg0: 5 * 8,
        regs32_arg1: 11 * 8,
        nr_clone: 56,
        nr_fork: 57,
        nr_vfork: 58,
        nr_mmap: 9,
        nr_mprotect: 10,
    }
}
