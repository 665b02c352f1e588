//! Memory overcommit at the failing return, and the kernel's comparison.
//!
//! Where overcommit's refusal isn't seen (style `tracepoint`), the kernel's comparison is made
//! again with the kernel's counter and what a fork promises by the flags of the caller's
//! mappings.

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
    /// vm.overcommit_memory.
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
    /// Of that, what can be huge pages (all that the host has), which nobody promises.
    pub huge: u64,
    /// Its largest private writable mapping, where it could be read.
    pub largest_mapping: Option<u64>,
    /// What the kernel was seen to refuse: the size of one mapping, with what was
    /// promised already when it was compared.
    pub refused: Option<Refused>,
    /// What a fork promises again, by the flags of the caller's mappings; `None`:
    /// they weren't read, or can't be.
    pub accounted: Option<u64>,
}

/// One comparison that came out as a refusal, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The promise that was asked for.
    pub requested: u64,
    /// What was promised already when it was compared.
    pub committed: u64,
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
        match self.mode {
            OvercommitMode::Never => {
                let least = self.allowed().saturating_add(self.slack());
                self.committed.saturating_add(bytes) >= least
            }
            _ => self.refuses(bytes),
        }
    }

    /// The comparison that the kernel makes for each mapping, for the copy of
    /// the whole address space, as far as the numbers at the return say: true when
    /// one of its mappings is refused. `None`: they don't say, because what a fork
    /// promises isn't known (a mapping can be exempt, MADV_DONTFORK and huge pages;
    /// a read-only one can be promised).
    pub fn refuses_copy(&self) -> Option<bool> {
        match self.mode {
            OvercommitMode::Always => Some(false),
            OvercommitMode::Never => Some(self.committed + self.accounted? >= self.allowed()),
            OvercommitMode::Heuristic => {
                if self.total_vm <= self.ram_and_swap {
                    return Some(false);
                }
                Some(self.largest_mapping? > self.ram_and_swap)
            }
        }
    }

    /// The comparison where nothing better is known of what a fork promises than the size
    /// of all that is private and writable, huge pages aside.
    pub fn seems_to_refuse_copy(&self) -> bool {
        self.refuses(self.private())
    }

    /// All that is private and writable, huge pages aside.
    fn private(&self) -> u64 {
        self.private_writable.saturating_sub(self.huge)
    }

    /// As [`Self::refuses_copy`], but allows for what the kernel's counter
    /// keeps back per CPU.
    pub fn nearly_refuses_copy(&self) -> bool {
        let accounted = self.accounted.unwrap_or(0);
        self.mode == OvercommitMode::Never
            && accounted > 0
            && self.committed + accounted + self.slack() >= self.allowed()
    }

    /// As [`Self::refuses_copy`], whatever that counter keeps back.
    pub fn surely_refuses_copy(&self) -> bool {
        match self.mode {
            OvercommitMode::Never => self
                .accounted
                .is_some_and(|bytes| self.committed + bytes >= self.allowed() + self.slack()),
            _ => self.refuses_copy() == Some(true),
        }
    }

    /// How far the kernel's counter can be off: up to 1/256 of RAM in all (mm/mm_init.c `mm_compute_batch`), in
    /// either direction, doubled to be safe.
    fn slack(&self) -> u64 {
        self.ram_and_swap / 128
    }

    /// What would be promised, at most, had all of the address space been copied: as far as the mappings' flags
    /// weren't read, all that is private and writable counts.
    pub fn with_whole_copy(&self) -> u64 {
        self.committed
            .saturating_add(self.accounted.unwrap_or(self.private()))
    }
}
