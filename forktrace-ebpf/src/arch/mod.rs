//! What differs by machine: the object has all of it, and of what doesn't apply the verifier takes
//! the branches out, since which machine it is is frozen (`forktrace_common::machine`).

use crate::maps::machine;

pub(crate) mod aarch64;
pub(crate) mod x86_64;

/// What a kprobe's context has at the place that a constant of each machine names. As instructions,
/// because the compiler may not make one load of a place that it computes from them: the verifier
/// lets nobody read a context there.
macro_rules! register {
    ($ctx:expr, $($place:tt)+) => {{
        let regs = aya_ebpf::EbpfContext::as_ptr($ctx) as u64;
        let value: u64;
        if $crate::maps::machine!(is_arm64) != 0 {
            // SAFETY: within `struct pt_regs`, which the context is.
            unsafe {
                core::arch::asm!(
                    "{value} = *(u64 *)({regs} + {place})",
                    value = out(reg) value,
                    regs = in(reg) regs,
                    place = const $crate::arch::aarch64::$($place)+,
                    options(nostack, readonly),
                );
            }
        } else {
            // SAFETY: as above.
            unsafe {
                core::arch::asm!(
                    "{value} = *(u64 *)({regs} + {place})",
                    value = out(reg) value,
                    regs = in(reg) regs,
                    place = const $crate::arch::x86_64::$($place)+,
                    options(nostack, readonly),
                );
            }
        }
        value
    }};
}

/// An argument of the function at whose entry a kprobe runs, from 0 to 3.
macro_rules! argument {
    ($ctx:expr, $which:literal) => {
        $crate::arch::register!(&$ctx, ARGUMENTS[$which])
    };
}

/// What the function has answered, in whose caller or at whose return a kprobe runs.
macro_rules! answer {
    ($ctx:expr) => {
        $crate::arch::register!(&$ctx, ANSWER)
    };
}
pub(crate) use {answer, argument, register};

/// Whether the system call that the task is in is a 32-bit one, by what its registers have at
/// `regs_mode`.
#[inline(always)]
pub(crate) fn is_compat(task: u64, mode: u64) -> bool {
    if machine!(is_arm64) != 0 {
        aarch64::is_compat(mode)
    } else {
        x86_64::is_compat(task, mode)
    }
}
