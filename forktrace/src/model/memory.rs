//! The host's memory, as `failure` records and `check` report it.

use serde::{Deserialize, Serialize};

/// Memory and what is promised of it, in bytes; `null` where /proc doesn't say.
///
/// CommitLimit (mm/util.c `vm_commit_limit`) is `overcommit_kbytes`, or where that is 0
/// `overcommit_ratio` percent of `total` less `huge_pages`; and `swap_total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Memory {
    /// MemTotal.
    pub total: Option<u64>,
    /// MemAvailable: what programs could still get without swapping, an estimate of the kernel's.
    pub available: Option<u64>,
    /// SwapTotal.
    pub swap_total: Option<u64>,
    /// SwapFree.
    pub swap_free: Option<u64>,
    /// vm.overcommit_memory: 0 heuristic, 1 always, 2 never.
    pub overcommit_memory: Option<u64>,
    /// vm.overcommit_ratio, in percent.
    pub overcommit_ratio: Option<u64>,
    /// vm.overcommit_kbytes, in KiB: instead of the ratio, where it isn't 0.
    pub overcommit_kbytes: Option<u64>,
    /// CommitLimit: what may be promised in mode 2.
    pub commit_limit: Option<u64>,
    /// Committed_AS: what is promised.
    pub committed: Option<u64>,
    /// Memory of huge pages, which CommitLimit doesn't count.
    pub huge_pages: Option<u64>,
    /// vm.admin_reserve_kbytes, in bytes: of CommitLimit, kept for CAP_SYS_ADMIN.
    pub admin_reserve: Option<u64>,
    /// vm.user_reserve_kbytes, in bytes: of CommitLimit, at most so much, or a 32nd of the own
    /// address space, is left by each process.
    pub user_reserve: Option<u64>,
}
