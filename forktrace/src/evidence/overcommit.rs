//! Memory overcommit at the failing return, and the kernel's comparison.

/// Bytes of a page (x86-64 and arm64 as Debian builds it).
pub const PAGE: u64 = 4096;

/// vm.overcommit_memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OvercommitMode {
    /// 0: refuses a single mapping larger than RAM and swap together.
    Heuristic,
    /// 1: refuses nothing.
    Always,
    /// 2: refuses what would take the sum of promises over CommitLimit.
    Never,
}

impl OvercommitMode {
    /// From the sysctl's number.
    pub fn from_number(n: u64) -> Self {
        match n {
            1 => Self::Always,
            2 => Self::Never,
            _ => Self::Heuristic,
        }
    }
}

/// What `__vm_enough_memory()` (mm/util.c) compares, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overcommit {
    pub mode: OvercommitMode,
    /// Committed_AS.
    pub committed: u64,
    /// CommitLimit.
    pub commit_limit: u64,
    /// vm.admin_reserve_kbytes, as far as it binds the caller.
    pub admin_reserve: u64,
    /// vm.user_reserve_kbytes, or a 32nd of the caller's address space.
    pub user_reserve: u64,
    /// RAM and swap together.
    pub ram_and_swap: u64,
    /// The caller's address space, all of it.
    pub total_vm: u64,
    /// Its private writable part, which a fork promises a second time.
    pub private_writable: u64,
    /// Its largest private writable mapping, where it could be read.
    pub largest_mapping: Option<u64>,
}

impl Overcommit {
    /// CommitLimit less the reserves: what the sum of promises must stay below.
    pub fn allowed(&self) -> u64 {
        self.commit_limit
            .saturating_sub(self.admin_reserve)
            .saturating_sub(self.user_reserve)
    }

    /// Whether one more promise of so many bytes is refused.
    pub fn refuses(&self, bytes: u64) -> bool {
        match self.mode {
            OvercommitMode::Always => false,
            OvercommitMode::Never => self.committed.saturating_add(bytes) >= self.allowed(),
            OvercommitMode::Heuristic => bytes > self.ram_and_swap,
        }
    }

    /// As [`Self::refuses`], whatever the kernel's counter keeps back (see
    /// [`Self::nearly_refuses_copy`]).
    pub fn surely_refuses(&self, bytes: u64) -> bool {
        let slack = match self.mode {
            OvercommitMode::Never => self.ram_and_swap / 128,
            _ => 0,
        };
        self.refuses(bytes.saturating_sub(slack))
    }

    /// The comparison that the kernel makes for each mapping, for the copy of
    /// the whole address space: true when one of its mappings is refused.
    pub fn refuses_copy(&self) -> bool {
        match self.mode {
            OvercommitMode::Always => false,
            OvercommitMode::Never => self.committed + self.private_writable >= self.allowed(),
            OvercommitMode::Heuristic => {
                self.largest_mapping.unwrap_or(self.total_vm) > self.ram_and_swap
            }
        }
    }

    /// As [`Self::refuses_copy`], but allows for what the kernel's counter
    /// keeps back per CPU: up to 1/256 of RAM in all (mm/mm_init.c
    /// `mm_compute_batch`), in either direction, doubled to be safe.
    pub fn nearly_refuses_copy(&self) -> bool {
        let slack = self.ram_and_swap / 128;
        self.mode == OvercommitMode::Never
            && self.committed + self.private_writable + slack >= self.allowed()
    }
}
