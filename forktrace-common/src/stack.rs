//! A thread's stack that could not be mapped (`--thread-stacks`): what was
//! asked for, and what the kernel compares it with.

/// A mapping for a thread's stack, as it was asked for.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Where it is; 0 for a mapping that was refused.
    pub start: u64,
    /// Bytes, as passed.
    pub len: u64,
    /// PROT_* as passed.
    pub prot: u64,
    /// MAP_* as passed to the mmap, whichever call was refused.
    pub flags: u64,
}

/// The caller's address space and limits at the refusal.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The mapping that was asked for.
    pub request: Request,
    /// Pages: all mappings, private writable ones, locked ones.
    pub total_vm: u64,
    /// Pages of private writable mappings.
    pub data_vm: u64,
    /// Pages that are locked.
    pub locked_vm: u64,
    /// `mm->def_flags`: VM_LOCKED after mlockall(MCL_FUTURE).
    pub def_flags: u64,
    /// Soft limits in bytes, RLIM_INFINITY for none.
    pub rlimit_as: u64,
    /// RLIMIT_DATA, soft.
    pub rlimit_data: u64,
    /// RLIMIT_MEMLOCK, soft.
    pub rlimit_memlock: u64,
    /// The hard limit, which counts where the soft one is 0.
    pub rlimit_data_max: u64,
    /// Number of mappings.
    pub map_count: i32,
    /// vm.max_map_count, where [`HAVE_MAX_MAP_COUNT`].
    pub max_map_count: i32,
    /// Bits below.
    pub flags: u32,
    /// Padding, zero.
    pub reserved: u32,
}

/// `max_map_count` was read.
pub const HAVE_MAX_MAP_COUNT: u32 = 1;
/// CAP_IPC_LOCK in the initial user namespace: RLIMIT_MEMLOCK doesn't apply.
pub const CAP_IPC_LOCK: u32 = 1 << 1;
