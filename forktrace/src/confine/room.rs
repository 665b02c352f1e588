//! Memory for the day on which there is none.
//!
//! In strict overcommit the kernel keeps `vm.admin_reserve_kbytes` (8 MiB) for who has
//! CAP_SYS_ADMIN (mm/util.c `__vm_enough_memory`). Who gives that up while memory is there to be
//! promised, and has to report refused forks when it isn't, has as much promised before.

/// Bytes: what the kernel would keep.
#[cfg(target_env = "gnu")]
const ROOM: usize = 8 << 20;

/// Has the allocator hold so much address space, free, from now on: promised, but not resident
/// until it is used. Best effort; other C libraries than glibc have no such thing.
pub(super) fn take() {
    #[cfg(target_env = "gnu")]
    // SAFETY: settings of the allocator, and a block that is not touched.
    unsafe {
        let bytes = ROOM as libc::c_int;
        // From the heap and not from a mapping of its own, and not given back when freed.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 2 * bytes);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 2 * bytes);
        libc::free(libc::malloc(ROOM));
    }
}
