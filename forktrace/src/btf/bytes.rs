//! The bytes of a BTF file: mapped where the kernel lets its own be, read else.

use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::ptr::{self, NonNull};

use rustix::fs::fstatfs;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// include/uapi/linux/magic.h
const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Bytes that don't change as long as they live.
pub(super) enum Bytes {
    Read(Vec<u8>),
    Mapped(Mapping),
}

impl Bytes {
    /// The running kernel's own. Since 6.16 (kernel/bpf/sysfs_btf.c,
    /// `btf_sysfs_vmlinux_mmap`) they can be mapped, which costs nothing; read,
    /// they come in pieces of a page, and into memory that has to be found first.
    pub(super) fn of_kernel(path: &Path) -> io::Result<Self> {
        match Mapping::of(path) {
            Ok(mapping) => Ok(Self::Mapped(mapping)),
            // ENODEV on older kernels. Whatever it was, reading shows it.
            Err(_) => Self::of_file(path),
        }
    }

    /// A file's, which somebody may change meanwhile: a copy.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        fs::read(path).map(Self::Read)
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            Self::Mapped(mapping) => mapping.bytes(),
        }
    }
}

/// Memory of the kernel, mapped for reading.
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps a whole file of sysfs, and none of another file system that is mounted
    /// in its place.
    fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if fstatfs(&file)?.f_type as u64 != SYSFS_MAGIC {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let length = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
        // SAFETY: a new private mapping, at an address that the kernel chooses.
        let start = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                &file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { start, length })
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped for reading until dropped; what sysfs maps of the kernel's
        // types is its own read-only data, which nobody writes or cuts short.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the whole of what `of` has mapped; `bytes` borrows from self.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_are_the_same_mapped_and_read() {
        let path = Path::new(super::super::KERNEL_BTF);
        // Kernels without: nothing to compare.
        if let (Ok(kernels), Ok(read)) = (Bytes::of_kernel(path), fs::read(path)) {
            assert!(*kernels == *read);
        }
    }

    #[test]
    fn a_file_that_somebody_may_cut_short_is_not_mapped() {
        let own = std::env::current_exe().unwrap();
        assert!(Mapping::of(&own).is_err());
        assert!(matches!(Bytes::of_kernel(&own), Ok(Bytes::Read(_))));
    }

    #[test]
    fn a_missing_file_is_an_error_of_that_kind() {
        let missing = Path::new("/sys/kernel/btf/no such kernel");
        let error = Bytes::of_kernel(missing).err().map(|e| e.kind());
        assert_eq!(error, Some(io::ErrorKind::NotFound));
    }
}
