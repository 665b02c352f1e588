//! Mappings, which a process has to the end of its life.

use std::{fs, ptr, sync::atomic::AtomicU32};

use rustix::{
    io::Errno,
    mm::{Advice, MapFlags, MlockAllFlags, MprotectFlags, ProtFlags},
};

use super::answer::check;
use crate::provoke::{arch::page, trouble::Trouble};

/// A private writable mapping of this process's own.
#[derive(Debug)]
pub struct Mapping {
    at: *mut u8,
    bytes: usize,
    /// Of a page in it.
    page: usize,
}

/// A private writable mapping that is not touched.
///
/// # Errors
/// It was refused.
pub fn map(bytes: u64) -> Result<Mapping, Trouble> {
    mapping(bytes, page(), MapFlags::empty())
}

/// The same of huge pages, which are set aside for it.
///
/// # Errors
/// It was refused.
pub fn map_huge(bytes: u64) -> Result<Mapping, Trouble> {
    mapping(bytes, huge_page()?, MapFlags::HUGETLB)
}

/// Bytes of a huge page, of which vm.nr_hugepages is the number.
///
/// # Errors
/// This kernel has none.
pub fn huge_page() -> Result<usize, Trouble> {
    let text = fs::read_to_string("/proc/meminfo").map_err(Trouble::at("reading /proc/meminfo"))?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("Hugepagesize:")?
                .trim()
                .strip_suffix(" kB")
        })
        .and_then(|kb| kb.parse::<usize>().ok()?.checked_mul(1024))
        .ok_or_else(|| Trouble::Skip("this kernel has no huge pages".to_owned()))
}

fn mapping(bytes: u64, page: usize, flags: MapFlags) -> Result<Mapping, Trouble> {
    let doing = || format!("mmap of {bytes} bytes");
    let length = usize::try_from(bytes).map_err(|e| Trouble::Odd(format!("{}: {e}", doing())))?;
    let at = anonymous(length, MapFlags::PRIVATE | flags).map_err(|e| Trouble::at(doing())(e))?;
    Ok(Mapping {
        at,
        bytes: length,
        page,
    })
}

fn anonymous(bytes: usize, flags: MapFlags) -> rustix::io::Result<*mut u8> {
    let prot = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, nothing that exists is touched.
    let at = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, prot, flags)? };
    Ok(at.cast())
}

impl Mapping {
    /// Where it begins.
    pub fn start(&self) -> *mut u8 {
        self.at
    }

    /// Writes a byte to each page.
    pub fn touch(&self) {
        for at in (0..self.bytes).step_by(self.page) {
            // SAFETY: within the mapping, in which nobody keeps anything.
            unsafe { self.at.add(at).write_volatile(1) };
        }
    }

    /// Writes a byte to the first page.
    pub fn touch_first(&self) {
        // SAFETY: as in `touch`.
        unsafe { self.at.write_volatile(1) };
    }

    /// Has it made of small pages only, before it is written to.
    ///
    /// # Errors
    /// It was refused.
    pub fn of_small_pages(&self) -> Result<(), Trouble> {
        match self.advise(Advice::LinuxNoHugepage, "madvise(MADV_NOHUGEPAGE)") {
            // Built without CONFIG_TRANSPARENT_HUGEPAGE, as kernels with PREEMPT_RT are, it knows no
            // others.
            Err(Trouble::Refused { answer, .. })
                if answer.raw_os_error() == Some(Errno::INVAL.raw_os_error()) =>
            {
                Ok(())
            }
            done => done,
        }
    }

    /// A fork doesn't copy it.
    ///
    /// # Errors
    /// It was refused.
    pub fn not_for_children(&self) -> Result<(), Trouble> {
        self.advise(Advice::LinuxDontFork, "madvise(MADV_DONTFORK)")
    }

    fn advise(&self, advice: Advice, doing: &str) -> Result<(), Trouble> {
        // SAFETY: the whole mapping, of which the caller's contents stay.
        unsafe { rustix::mm::madvise(self.at.cast(), self.bytes, advice) }
            .map_err(Trouble::at(doing))
    }

    /// Takes writing to these bytes away; both are whole pages.
    ///
    /// # Errors
    /// It was refused, or they are not of the mapping.
    pub fn make_read_only(&self, from: usize, bytes: usize) -> Result<(), Trouble> {
        if from.checked_add(bytes).is_none_or(|end| end > self.bytes) {
            return Err(Trouble::Odd(format!("no {bytes} bytes at {from}")));
        }
        // SAFETY: within the mapping, in which nobody keeps anything.
        unsafe { rustix::mm::mprotect(self.at.add(from).cast(), bytes, MprotectFlags::READ) }
            .map_err(Trouble::at("mprotect"))
    }

    /// Gives it back.
    pub fn unmap(self) {
        // SAFETY: the whole mapping, of which the address goes too.
        let _ = unsafe { rustix::mm::munmap(self.at.cast(), self.bytes) };
    }
}

/// Twice as many mappings that can't be merged, a page each.
///
/// # Errors
/// It was refused.
pub fn map_many(pairs: usize) -> Result<(), Trouble> {
    let page = page();
    // Nobody writes to them, and pages of 64 KiB are two gigabytes.
    let all = mapping((2 * pairs * page) as u64, page, MapFlags::NORESERVE)?;
    for n in 0..pairs {
        all.make_read_only(2 * n * page, page)?;
    }
    Ok(())
}

/// A number that this process and its children share; it lives as long as they do.
///
/// # Errors
/// It was refused.
pub fn shared_counter() -> Result<&'static AtomicU32, Trouble> {
    let at = anonymous(size_of::<AtomicU32>(), MapFlags::SHARED)
        .map_err(Trouble::at("mmap of a shared page"))?;
    // SAFETY: zeroed, aligned to a page, and never unmapped.
    Ok(unsafe { &*at.cast::<AtomicU32>() })
}

/// Everything that is mapped now is locked in memory.
///
/// # Errors
/// It was refused.
pub fn lock_present() -> Result<(), Trouble> {
    rustix::mm::mlockall(MlockAllFlags::CURRENT).map_err(Trouble::at("mlockall"))
}

/// Everything that is mapped from now on is locked in memory.
///
/// # Errors
/// It was refused.
pub fn lock_future() -> Result<(), Trouble> {
    rustix::mm::mlockall(MlockAllFlags::FUTURE).map_err(Trouble::at("mlockall(MCL_FUTURE)"))
}

/// Pins a mapping's first bytes as long as this process lives, as a buffer of io_uring(7).
///
/// # Errors
/// It was refused.
pub fn pin_pages(of: &Mapping, bytes: usize) -> Result<(), Trouble> {
    const IORING_REGISTER_BUFFERS: i32 = 0;
    // `struct io_uring_params` (include/uapi/linux/io_uring.h).
    let mut params = [0u32; 30];
    // SAFETY: the struct is as long as the kernel's and outlives the call.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) };
    let ring = check(ring, "io_uring_setup")?;
    let buffer = libc::iovec {
        iov_base: of.at.cast(),
        iov_len: bytes.min(of.bytes),
    };
    // SAFETY: one buffer, of this process's own memory.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_io_uring_register,
            ring,
            IORING_REGISTER_BUFFERS,
            &raw const buffer,
            1,
        )
    };
    check(answer, "io_uring_register")?;
    Ok(())
}
