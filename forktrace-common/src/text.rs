//! Reading the kernel's machine code: what user space asks for, and what it gets.

/// Bytes that are read at a time.
pub const CHUNK: usize = 4096;

/// Where to read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Kernel address.
    pub address: u64,
    /// Bytes, [`CHUNK`] at most.
    pub len: u64,
}

/// What is there: zeroes where it can't be read.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    /// The code.
    pub bytes: [u8; CHUNK],
}

/// Where `pids_can_fork` gives the refusing cgroup's charge back: the register of `struct pt_regs`
/// (its offset in bytes) that leads to the counter, and what is added to it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uncharge {
    /// Offset in bytes of the register in `struct pt_regs`.
    pub register: u32,
    /// What is added to the register.
    pub displacement: i32,
}
