//! Reading kernel memory. Any read may fail (a pointer that is null or went
//! stale, lockdown=confidentiality); bpf_probe_read_kernel then writes zeroes,
//! which is what these functions answer. Not asking whether it failed spares
//! the verifier a fork of its walk at each read: with a dozen reads in a loop
//! it would not come to an end. Nor is it asked whether the kernel has the field:
//! for a comparison of constants the verifier goes back to where each came from
//! (up to 6.x through everything before, if there is a call in between), which
//! made 5.10 take seconds to load a program.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use forktrace_common::offsets::MISSING;

use crate::task;

/// Integers, and arrays of them: every bit pattern is a value.
///
/// # Safety
/// Only for types to which that applies.
pub(crate) unsafe trait Plain: Copy {}
// SAFETY: integers and arrays of them.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for i16 {}
// SAFETY: as above.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for i32 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for i64 {}
// SAFETY: as above.
unsafe impl Plain for u64 {}
// SAFETY: as above.
unsafe impl Plain for [u8; 16] {}
// SAFETY: as above.
unsafe impl Plain for [u64; 2] {}

/// Reads a field, `offset` bytes behind `base`: zero when this kernel has no
/// such field ([`MISSING`]) or the memory can't be read.
///
/// Every instruction here counts a hundred times: the verifier walks each read
/// of each level that a loop goes up.
#[inline(always)]
pub(crate) fn field<T: Plain>(base: u64, offset: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the helper checks the address, and fills `value` whatever becomes
    // of it (kernel/trace/bpf_trace.c `bpf_probe_read_kernel_common`).
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            base.wrapping_add(offset) as *const _,
        );
    }
    // SAFETY: filled, and every bit pattern is a value.
    unsafe { value.assume_init() }
}

/// A number that the verifier knows nothing of: neither its value, nor that it
/// is a pointer that a tracing program got as an argument, to which it lets nobody
/// add [`MISSING`].
#[inline(always)]
pub(crate) fn unknown(pointer: u64) -> u64 {
    let mut value = MaybeUninit::<u64>::uninit();
    // SAFETY: eight bytes of this program's own stack.
    unsafe {
        bpf_probe_read_kernel(
            value.as_mut_ptr().cast(),
            size_of::<u64>() as u32,
            (&raw const pointer).cast(),
        );
        value.assume_init()
    }
}

/// Reads a pointer field.
#[inline(always)]
pub(crate) fn pointer(base: u64, offset: u64) -> u64 {
    field::<u64>(base, offset)
}

/// A number if it can be an address of the kernel's, else zero: for what is read from memory that may be
/// another's by now, see `cgroup::find::node_of_fd`.
///
/// Kernels with addresses of 48 bits have theirs (and so each task) in the topmost 2^47 bytes, those
/// with more (x86-64 57, arm64 up to 52) in the topmost 2^56 (Documentation/arch/x86/x86_64/mm.rst,
/// Documentation/arch/arm64/memory.rst). No comparison: the verifier would walk what follows once for each
/// side, which doubled a start.
#[inline(always)]
pub(crate) fn kernel_address(number: u64) -> u64 {
    // All ones if the bits above these are set.
    let topmost_47 = |number: u64| opaque(((number >> 47) + 1) >> 17).wrapping_neg();
    let topmost_56 = |number: u64| opaque(((number >> 56) + 1) >> 8).wrapping_neg();
    number & (topmost_47(number) | (topmost_56(number) & !topmost_47(task::current())))
}

/// Whether this kernel has the field.
#[inline(always)]
pub(crate) fn has(offset: u64) -> bool {
    offset != MISSING
}

/// Zeroes a struct of words, each by a store of its own. `memset` and `memmove`
/// are functions that loop over bytes here, and for a loop in a function that is
/// called the verifier (up to 6.x) takes every number before it for one whose
/// value matters, and walks what follows once for each.
///
/// # Safety
/// `to` may be written, and zeroes are a value of `T`, whose size and alignment
/// are in words of eight bytes.
#[inline(always)]
pub(crate) unsafe fn zero<T>(to: *mut T) {
    const { assert!(size_of::<T>() % 8 == 0 && align_of::<T>() == 8) };
    for word in 0..size_of::<T>() / 8 {
        // SAFETY: within the struct.
        unsafe { to.cast::<u64>().add(word).write_volatile(0) };
    }
}

/// Copies a struct of words, for the same reason.
///
/// # Safety
/// As in [`zero`], and `from` may be read.
#[inline(always)]
pub(crate) unsafe fn copy<T: Copy>(to: *mut T, from: *const T) {
    const { assert!(size_of::<T>() % 8 == 0 && align_of::<T>() == 8) };
    for word in 0..size_of::<T>() / 8 {
        // SAFETY: within the structs.
        unsafe {
            let value = from.cast::<u64>().add(word).read_volatile();
            to.cast::<u64>().add(word).write_volatile(value);
        }
    }
}

/// Reads user memory of the current task; zero when that fails.
#[inline(always)]
pub(crate) fn user<T: Plain>(address: u64) -> T {
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: as in `field`.
    unsafe {
        bpf_probe_read_user(
            value.as_mut_ptr().cast(),
            size_of::<T>() as u32,
            address as *const _,
        );
        value.assume_init()
    }
}

/// A number that the compiler knows nothing of: it may not replace an offset
/// by a running pointer, whose bounds the verifier couldn't see, nor arithmetic
/// by a branch, nor compute with what the verifier takes for a pointer.
#[inline(always)]
pub(crate) fn opaque(number: u64) -> u64 {
    let mut number = number;
    // An instruction, because lines that share one are refused (kernel/bpf/verifier.c
    // `check_btf_line`).
    // SAFETY: nothing but the register is touched.
    unsafe { core::arch::asm!("{0} = {0}", inout(reg) number, options(nomem, nostack)) };
    number
}
