//! Huge pages of hugetlbfs, as they stood just after a copy of the address
//! space was refused.

/// Huge pages of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HugePool {
    /// Bytes of one page.
    pub page: u64,
    /// Pages in the pool, those beyond nr_hugepages included.
    pub total: u64,
    /// Pages that hold nothing.
    pub free: u64,
    /// Free pages that are promised to mappings.
    pub reserved: u64,
    /// Pages beyond what nr_hugepages asked for.
    pub surplus: u64,
    /// nr_overcommit_hugepages: how many there may be beyond it.
    pub surplus_max: u64,
}

impl HugePool {
    /// Whether one more page can't be had: mm/hugetlb.c `dequeue_hugetlb_folio_vma`
    /// takes no free page that is promised to others, and
    /// `alloc_surplus_hugetlb_folio` none beyond nr_overcommit_hugepages.
    pub fn used_up(&self) -> bool {
        self.total > 0 && self.free <= self.reserved && self.surplus >= self.surplus_max
    }

    /// Pages that are in use or promised.
    pub fn taken(&self) -> u64 {
        self.total
            .saturating_sub(self.free.saturating_sub(self.reserved))
    }
}

/// What is known of a caller that maps huge pages of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HugePages {
    /// Bytes of huge pages that the caller has in memory (HugetlbPages).
    pub mapped: u64,
    /// Each size that this host has pages of.
    pub pools: Vec<HugePool>,
}

impl HugePages {
    /// The size of which none is left; `None` where there is no such size, or
    /// several, of which any may be the caller's.
    pub fn used_up(&self) -> Option<&HugePool> {
        let mut all = self.pools.iter().filter(|pool| pool.used_up());
        all.next().filter(|_| all.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(total: u64, free: u64, reserved: u64) -> HugePool {
        HugePool {
            page: 2 << 20,
            total,
            free,
            reserved,
            surplus: 0,
            surplus_max: 0,
        }
    }

    #[test]
    fn a_pool_is_used_up_by_pages_in_use_and_by_promises() {
        assert!(pool(8, 0, 0).used_up());
        assert!(pool(8, 3, 3).used_up());
        assert!(!pool(8, 3, 2).used_up());
        // No pool at all.
        assert!(!pool(0, 0, 0).used_up());
        assert_eq!(pool(8, 3, 3).taken(), 8);
        assert_eq!(pool(8, 3, 2).taken(), 7);
        // More may be taken from the rest of memory.
        let mut growing = pool(8, 0, 0);
        growing.surplus_max = 2;
        assert!(!growing.used_up());
        growing.surplus = 2;
        assert!(growing.used_up());
    }

    #[test]
    fn of_two_sizes_that_are_used_up_none_is_named() {
        let of = |pools: &[HugePool]| HugePages {
            mapped: 2 << 20,
            pools: pools.to_vec(),
        };
        let full = pool(8, 0, 0);
        assert_eq!(of(&[pool(8, 1, 0), full]).used_up(), Some(&full));
        assert_eq!(of(&[full, full]).used_up(), None);
        assert_eq!(of(&[pool(8, 1, 0)]).used_up(), None);
    }
}
