//! Pages, in which the kernel counts and compares memory.

/// The size of a page: 4 KiB, and on arm64 as the kernel was built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(u64);

impl Page {
    /// Of 4 KiB.
    pub const KIB_4: Self = Self(4 << 10);
    /// Of 16 KiB.
    pub const KIB_16: Self = Self(16 << 10);
    /// Of 64 KiB.
    pub const KIB_64: Self = Self(64 << 10);

    /// This kernel's.
    pub fn here() -> Self {
        Self(rustix::param::page_size() as u64)
    }

    /// Its size.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// By how many bits numbers of pages and of bytes are apart.
    pub const fn shift(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// So many pages, in bytes.
    pub const fn times(self, pages: u64) -> u64 {
        pages.saturating_mul(self.0)
    }

    /// What whole pages hold of so many bytes.
    pub const fn whole(self, bytes: u64) -> u64 {
        bytes / self.0 * self.0
    }

    /// The whole pages that so many bytes take.
    pub const fn taken(self, bytes: u64) -> u64 {
        self.times(bytes.div_ceil(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn bytes_and_pages() {
        for (page, bytes, shift) in [
            (Page::KIB_4, 4096, 12),
            (Page::KIB_16, 16384, 14),
            (Page::KIB_64, 65536, 16),
        ] {
            assert_eq!((page.bytes(), page.shift()), (bytes, shift));
            assert_eq!((page.times(3), page.times(u64::MAX)), (3 * bytes, u64::MAX));
            assert_eq!(
                (page.whole(bytes - 1), page.whole(2 * bytes + 1)),
                (0, 2 * bytes)
            );
            assert_eq!((page.taken(0), page.taken(1)), (0, bytes));
            assert_eq!(
                (page.taken(bytes), page.taken(bytes + 1)),
                (bytes, 2 * bytes)
            );
        }
    }

    #[test]
    fn this_kernels_is_a_power_of_two() {
        assert!(Page::here().bytes() >= 4096 && Page::here().bytes().is_power_of_two());
    }
}
