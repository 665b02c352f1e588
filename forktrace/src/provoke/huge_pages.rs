//! Huge pages that are added to the host's pool, and taken out again once they have come back.

use std::{
    fs,
    time::{Duration, Instant},
};

use super::{setting, setting::Setting, sys, trouble::Trouble, undo::Undo};

/// How long pinned pages may take to come back: io_uring returns them from a kernel thread after
/// the process has ended (io_uring/io_uring.c `io_ring_exit_work`).
const PATIENCE: Duration = Duration::from_secs(10);

/// Pages of the size of which vm.nr_hugepages is the number, added to the pool.
///
/// When this is dropped, it waits for them before it takes them out. A page that comes back while
/// the kernel lowers the number can stay in the pool for good, free and counted as surplus
/// (mm/hugetlb.c `set_max_huge_pages`, which lets go of the lock before it calls
/// `adjust_pool_surplus`; seen on 7.x).
pub struct HugePages {
    /// Writes the number back when it is dropped, which is after the wait.
    _setting: Setting,
    /// How many there are now.
    total: u64,
    added: u64,
    page: usize,
}

impl HugePages {
    /// Adds pages to a pool of which none is free.
    ///
    /// # Errors
    /// The kernel has no such pool, or no room for them.
    pub fn add(undo: &Undo, pages: u64) -> Result<Self, Trouble> {
        const NAME: &str = "vm/nr_hugepages";
        let page = sys::huge_page()?;
        let setting = Setting::keep(undo, NAME)?;
        let total = setting::read(NAME)? + pages;
        setting.change(total)?;
        let there = setting::read(NAME)?;
        if there != total {
            return Err(Trouble::Skip(format!(
                "no room for {pages} more huge pages: {there} of {total}"
            )));
        }
        Ok(Self {
            _setting: setting,
            total,
            added: pages,
            page,
        })
    }

    /// How many the pool has, with those added.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Bytes of one.
    #[must_use]
    pub fn page(&self) -> usize {
        self.page
    }

    /// Whether as many are free as were added; also where that can't be read.
    fn are_back(&self) -> bool {
        let kb = self.page / 1024;
        let file = format!("/sys/kernel/mm/hugepages/hugepages-{kb}kB/free_hugepages");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.trim()
            .parse()
            .map_or(true, |free: u64| free >= self.added)
    }
}

impl Drop for HugePages {
    fn drop(&mut self) {
        let end = Instant::now() + PATIENCE;
        while !self.are_back() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}
