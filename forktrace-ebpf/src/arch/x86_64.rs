//! x86-64.

use crate::{maps::offset, mem};

/// Where `struct pt_regs` (arch/x86/include/asm/ptrace.h) has a function's arguments at its entry:
/// `di`, `si`, `dx`, `cx`.
pub(crate) const ARGUMENTS: [u64; 4] = [14 * 8, 13 * 8, 12 * 8, 11 * 8];

/// Its answer: `ax`.
pub(crate) const ANSWER: u64 = 10 * 8;

const USER32_CS: u64 = 0x23; // __USER32_CS, arch/x86/include/asm/segment.h
const TS_COMPAT: u32 = 2; // arch/x86/include/asm/thread_info.h

/// Whether the task's system call, made with this `cs`, is a 32-bit one.
#[inline(always)]
pub(super) fn is_compat(task: u64, cs: u64) -> bool {
    // `int 0x80` is a 32-bit call from 64-bit code as well, with other numbers.
    let status = mem::field::<u32>(task, offset!(task_status));
    cs == USER32_CS || status & TS_COMPAT != 0
}
