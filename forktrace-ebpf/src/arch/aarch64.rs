//! arm64.

/// Where `struct pt_regs` (arch/arm64/include/asm/ptrace.h) has a function's arguments at its entry:
/// `x0` to `x3`.
pub(crate) const ARGUMENTS: [u64; 4] = [0, 8, 16, 24];

/// Its answer: `x0`.
pub(crate) const ANSWER: u64 = 0;

const PSR_MODE32_BIT: u64 = 0x10; // arch/arm64/include/uapi/asm/ptrace.h

/// Whether a system call made with this `pstate` is a 32-bit one: 64-bit code can't make one.
#[inline(always)]
pub(super) fn is_compat(pstate: u64) -> bool {
    pstate & PSR_MODE32_BIT != 0
}
