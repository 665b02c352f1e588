//! x86-64, with its 32-bit calls.

pub mod instructions;
pub mod symbols;
mod syscall;

pub use syscall::name as syscall_name;

/// Bytes of a page.
pub const PAGE: u64 = 4096;

/// Bytes of a kernel stack, without KASAN (arch/x86/include/asm/page_64_types.h).
pub const THREAD_SIZE: u32 = 16 * 1024;

/// Addresses that a 64-bit process has (TASK_SIZE, four levels of
/// page tables, which mmap keeps to unless it is asked for more).
pub const ADDRESSES: u64 = (1 << 47) - PAGE;
