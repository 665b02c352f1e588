//! What the machine decides: the size of pages, where `struct pt_regs` keeps what, the numbers of
//! system calls. One object serves every machine, as it serves every kernel: user space knows which
//! one it runs on, and passes these to the programs as a frozen global.

/// The machine.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// 1: arm64; 0: x86-64.
    pub is_arm64: u32,
    /// Bits by which numbers of pages and of bytes are apart (PAGE_SHIFT).
    pub page_shift: u32,
    /// Size of a kernel stack in bytes.
    pub thread_size: u32,
    /// Size of `struct pt_regs`; needed with `thread_size` before 5.15.
    pub regs_bytes: u32,
    /// Where `struct pt_regs` has the number of the system call, of which 32 bits are read.
    pub regs_number: u32,
    /// What a system call answers.
    pub regs_answer: u32,
    /// What shows whether 32-bit code made it: `cs`, or `pstate`.
    pub regs_mode: u32,
    /// A system call's arguments, the first of which may be kept where the answer doesn't replace it.
    pub regs_arg0: u32,
    /// The second one.
    pub regs_arg1: u32,
    /// The third one.
    pub regs_arg2: u32,
    /// The fourth one.
    pub regs_arg3: u32,
    /// The first argument of a system call that 32-bit code makes.
    pub regs32_arg0: u32,
    /// Its second one.
    pub regs32_arg1: u32,
    /// The number of clone(2).
    pub nr_clone: u32,
    /// fork(2), or [`NO_CALL`].
    pub nr_fork: u32,
    /// vfork(2), or [`NO_CALL`].
    pub nr_vfork: u32,
    /// mmap(2).
    pub nr_mmap: u32,
    /// mprotect(2).
    pub nr_mprotect: u32,
}

/// The number of a system call that a machine doesn't have: no task is in it, and none is in no call
/// at all by it, for which the kernel has -1.
pub const NO_CALL: u32 = 1 << 31;
