//! A thread's stack that mmap or mprotect refused, and the kernel's comparisons
//! in their order (mm/mmap.c `do_mmap`, `mmap_region`, `may_expand_vm`;
//! mm/mprotect.c `mprotect_fixup`; from 6.18 partly in mm/vma.c). They are the
//! same in 5.10 and 7.3.

use super::{Overcommit, OvercommitMode};
use crate::arch::Page;

/// Which call refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Stack and guard together.
    Mmap,
    /// The stack without its guard is to become accessible.
    Mprotect,
}

/// A check that refuses a thread's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Mappings against vm.max_map_count.
    MapCount,
    /// Locked memory against RLIMIT_MEMLOCK.
    Memlock,
    /// All mappings against RLIMIT_AS.
    AddressSpace,
    /// Private writable mappings against RLIMIT_DATA.
    Data,
    /// The promise of memory, by vm.overcommit_memory.
    Overcommit,
}

/// What was asked for, and what it was compared with. Sizes are in bytes and
/// whole pages; limits are in bytes, `None` is unlimited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadStack {
    /// The call that answered ENOMEM.
    pub call: Call,
    /// Bytes that it asked for: the stack, and its guard where mmap refused.
    pub requested: u64,
    /// To be writable by this call.
    pub writable: bool,
    /// MAP_NORESERVE: not counted by overcommit, but in mode 2.
    pub no_reserve: bool,
    /// MAP_LOCKED, or mlockall(MCL_FUTURE) before.
    pub locked: bool,
    /// CAP_IPC_LOCK: RLIMIT_MEMLOCK doesn't apply.
    pub may_lock: bool,
    /// All mappings of the process.
    pub total: u64,
    /// The private writable ones, stacks that grow left out.
    pub data: u64,
    /// Locked mappings (`mm->locked_vm`).
    pub locked_memory: u64,
    /// RLIMIT_AS, soft.
    pub rlimit_as: Option<u64>,
    /// RLIMIT_DATA, soft.
    pub rlimit_data: Option<u64>,
    /// The hard limit: it counts where the soft one is 0.
    pub rlimit_data_max: Option<u64>,
    /// The boot option `ignore_rlimit_data`.
    pub data_ignored: bool,
    /// RLIMIT_MEMLOCK, soft.
    pub rlimit_memlock: Option<u64>,
    /// Number of mappings.
    pub maps: u64,
    /// vm.max_map_count.
    pub max_maps: Option<u64>,
    /// In what the kernel compares.
    pub page: Page,
    /// Addresses that a process has.
    pub addresses: u64,
}

impl ThreadStack {
    /// The first check that refuses by these numbers; `None` where none does,
    /// or where an earlier step of the kernel's could have been the one.
    pub fn refused_by(&self, overcommit: Option<&Overcommit>) -> Option<Check> {
        match self.call {
            Call::Mmap => self.mmap_refused_by(overcommit),
            Call::Mprotect => self.mprotect_refused_by(overcommit),
        }
    }

    fn mmap_refused_by(&self, overcommit: Option<&Overcommit>) -> Option<Check> {
        if self.max_maps.is_some_and(|max| self.maps > max) {
            Some(Check::MapCount)
        } else if self.total.saturating_add(self.requested) > self.addresses {
            // `get_unmapped_area` found no place: no limit of anybody's.
            None
        } else if self.over_memlock() {
            Some(Check::Memlock)
        } else if self.over_address_space() {
            Some(Check::AddressSpace)
        } else if self.writable && self.over_data() {
            Some(Check::Data)
        } else if self.writable && self.over_overcommit(overcommit) {
            Some(Check::Overcommit)
        } else {
            None
        }
    }

    fn mprotect_refused_by(&self, overcommit: Option<&Overcommit>) -> Option<Check> {
        // The mapping has its guard split off: `__split_vma` asks for less
        // than max_map_count.
        let maps = self.max_maps.is_some_and(|max| self.maps >= max);
        // `mprotect_fixup` refuses only what `may_expand_vm` refuses to the
        // new protection and not to the old one: what RLIMIT_AS would refuse
        // to both (half of it is mapped already) passes, whatever RLIMIT_DATA
        // says.
        if self.writable && self.over_data() && !self.over_address_space() {
            return Some(Check::Data);
        }
        if self.writable && self.over_overcommit(overcommit) {
            // The kernel's counter is exact to a batch per CPU: that near, the
            // check that follows may be the one as well.
            let surely = overcommit.is_some_and(|o| o.surely_refuses(self.requested));
            return (surely || !maps).then_some(Check::Overcommit);
        }
        maps.then_some(Check::MapCount)
    }

    /// Compared in whole pages: `rlimit >> PAGE_SHIFT`.
    fn over(&self, usage: u64, limit: Option<u64>) -> bool {
        limit.is_some_and(|limit| usage.saturating_add(self.requested) > self.page.whole(limit))
    }

    fn over_memlock(&self) -> bool {
        self.locked && !self.may_lock && self.over(self.locked_memory, self.rlimit_memlock)
    }

    fn over_address_space(&self) -> bool {
        self.over(self.total, self.rlimit_as)
    }

    /// RLIMIT_DATA as it holds: nothing under the boot option, and the hard one
    /// where the soft one is 0 ("workaround for Valgrind").
    pub fn data_limit(&self) -> Option<u64> {
        match self.rlimit_data {
            _ if self.data_ignored => None,
            Some(0) => self.rlimit_data_max,
            limit => limit,
        }
    }

    fn over_data(&self) -> bool {
        self.over(self.data, self.data_limit())
    }

    fn over_overcommit(&self, overcommit: Option<&Overcommit>) -> bool {
        overcommit.is_some_and(|o| {
            (!self.no_reserve || o.mode == OvercommitMode::Never) && o.refuses(self.requested)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const PAGE: u64 = Page::KIB_4.bytes();

    fn roomy(call: Call) -> ThreadStack {
        ThreadStack {
            call,
            requested: 8 * MIB,
            writable: call == Call::Mprotect,
            no_reserve: false,
            locked: false,
            may_lock: false,
            total: 100 * MIB,
            data: 20 * MIB,
            locked_memory: 0,
            rlimit_as: None,
            rlimit_data: None,
            rlimit_data_max: None,
            data_ignored: false,
            rlimit_memlock: Some(8 * MIB - 1),
            maps: 90,
            max_maps: Some(65530),
            page: Page::KIB_4,
            addresses: (1 << 47) - PAGE,
        }
    }

    fn commit(mode: OvercommitMode, committed: u64) -> Overcommit {
        Overcommit {
            mode,
            committed,
            commit_limit: 1000 * MIB,
            admin_reserve: 0,
            user_reserve: 0,
            ram_and_swap: 512 * MIB,
            total_vm: 100 * MIB,
            private_writable: 0,
            huge: 0,
            refused: None,
            accounted: None,
            largest_mapping: None,
        }
    }

    #[test]
    fn nothing_near() {
        for call in [Call::Mmap, Call::Mprotect] {
            let commit = commit(OvercommitMode::Heuristic, 0);
            assert_eq!(roomy(call).refused_by(Some(&commit)), None);
            assert_eq!(roomy(call).refused_by(None), None);
        }
    }

    #[test]
    fn each_limit_to_the_page() {
        let mut s = roomy(Call::Mmap);
        s.rlimit_as = Some(108 * MIB + PAGE - 1);
        assert_eq!(s.refused_by(None), None);
        s.rlimit_as = Some(108 * MIB - 1);
        assert_eq!(s.refused_by(None), Some(Check::AddressSpace));

        let mut s = roomy(Call::Mprotect);
        s.rlimit_data = Some(28 * MIB);
        assert_eq!(s.refused_by(None), None);
        s.rlimit_data = Some(28 * MIB - 1);
        assert_eq!(s.refused_by(None), Some(Check::Data));
        s.data_ignored = true;
        assert_eq!(s.refused_by(None), None);
        s.writable = false;
        s.data_ignored = false;
        assert_eq!(s.refused_by(None), None);

        let mut s = roomy(Call::Mmap);
        s.maps = 65530;
        assert_eq!(s.refused_by(None), None);
        s.maps = 65531;
        assert_eq!(s.refused_by(None), Some(Check::MapCount));
        let mut s = roomy(Call::Mprotect);
        s.maps = 65530;
        assert_eq!(s.refused_by(None), Some(Check::MapCount));

        let mut s = roomy(Call::Mmap);
        s.locked = true;
        assert_eq!(s.refused_by(None), Some(Check::Memlock));
        s.may_lock = true;
        assert_eq!(s.refused_by(None), None);
    }

    #[test]
    fn limits_are_compared_in_pages_of_any_size() {
        for page in [Page::KIB_4, Page::KIB_16, Page::KIB_64] {
            let mut s = roomy(Call::Mmap);
            s.page = page;
            s.rlimit_as = Some(108 * MIB + page.bytes() - 1);
            assert_eq!(s.refused_by(None), None);
            s.requested += page.bytes();
            assert_eq!(s.refused_by(None), Some(Check::AddressSpace));
            s.rlimit_as = Some(108 * MIB + page.bytes());
            assert_eq!(s.refused_by(None), None);
        }
    }

    #[test]
    fn a_soft_data_limit_of_0_is_the_hard_one() {
        let mut s = roomy(Call::Mprotect);
        s.rlimit_data = Some(0);
        s.rlimit_data_max = Some(28 * MIB);
        assert_eq!(s.refused_by(None), None);
        s.rlimit_data_max = Some(27 * MIB);
        assert_eq!(s.refused_by(None), Some(Check::Data));
        s.rlimit_data_max = None;
        assert_eq!(s.refused_by(None), None);
    }

    #[test]
    fn mprotect_asks_rlimit_data_only_while_rlimit_as_has_room_for_one_more() {
        let mut s = roomy(Call::Mprotect);
        s.rlimit_data = Some(21 * MIB);
        s.rlimit_as = Some(108 * MIB);
        assert_eq!(s.refused_by(None), Some(Check::Data));
        s.rlimit_as = Some(107 * MIB);
        assert_eq!(s.refused_by(None), None);
    }

    #[test]
    fn the_first_check_wins() {
        let never = commit(OvercommitMode::Never, 994 * MIB);
        let mut s = roomy(Call::Mmap);
        s.writable = true;
        assert_eq!(s.refused_by(Some(&never)), Some(Check::Overcommit));
        s.rlimit_data = Some(MIB);
        assert_eq!(s.refused_by(Some(&never)), Some(Check::Data));
        s.rlimit_as = Some(MIB);
        assert_eq!(s.refused_by(Some(&never)), Some(Check::AddressSpace));
        s.locked = true;
        assert_eq!(s.refused_by(Some(&never)), Some(Check::Memlock));
        s.maps = 70000;
        assert_eq!(s.refused_by(Some(&never)), Some(Check::MapCount));

        let mut s = roomy(Call::Mprotect);
        s.maps = 65530;
        let mut far = never;
        far.committed = 1200 * MIB;
        assert_eq!(s.refused_by(Some(&far)), Some(Check::Overcommit));
        // Within the counter's slack either may have refused.
        assert_eq!(s.refused_by(Some(&never)), None);
        // Nor is one sure that asks for less than the counter can be off by.
        let mut near = never;
        near.committed = never.allowed() + MIB;
        s.requested = PAGE;
        assert_eq!(s.refused_by(Some(&near)), None);
        s.requested = roomy(Call::Mprotect).requested;
        s.rlimit_data = Some(MIB);
        assert_eq!(s.refused_by(Some(&never)), Some(Check::Data));
    }

    #[test]
    fn more_than_there_are_addresses_is_no_limits_doing() {
        let mut s = roomy(Call::Mmap);
        s.requested = 1 << 47;
        s.rlimit_as = Some(1 << 40);
        assert_eq!(s.refused_by(None), None);
        s.addresses = 1 << 48;
        assert_eq!(s.refused_by(None), Some(Check::AddressSpace));
    }

    #[test]
    fn overcommit_by_mode() {
        let s = roomy(Call::Mprotect);
        let never = |committed| commit(OvercommitMode::Never, committed);
        assert_eq!(s.refused_by(Some(&never(992 * MIB - PAGE))), None);
        assert_eq!(
            s.refused_by(Some(&never(992 * MIB))),
            Some(Check::Overcommit)
        );
        let mut s = roomy(Call::Mprotect);
        s.requested = 512 * MIB;
        let guess = commit(OvercommitMode::Heuristic, 0);
        assert_eq!(s.refused_by(Some(&guess)), None);
        s.requested += PAGE;
        assert_eq!(s.refused_by(Some(&guess)), Some(Check::Overcommit));
        s.no_reserve = true;
        assert_eq!(s.refused_by(Some(&guess)), None);
        assert_eq!(
            s.refused_by(Some(&never(992 * MIB))),
            Some(Check::Overcommit)
        );
        assert_eq!(
            s.refused_by(Some(&commit(OvercommitMode::Always, 1 << 40))),
            None
        );
    }
}
