//! Reading a whole BPF hash map in a few system calls (BPF_MAP_LOOKUP_BATCH,
//! Linux 5.6+; kernel/bpf/hashtab.c `__htab_map_lookup_and_delete_batch`).
//! Element by element it takes two for each.

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
};

use aya::{Pod, maps::Map};

use super::bpf::bpf;

/// bpf(2), include/uapi/linux/bpf.h.
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;

/// `batch` of `union bpf_attr`, likewise.
#[repr(C)]
struct Attr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// How many elements are read at a time. No bucket of the kernel's table has as
/// many: it has as many buckets as elements, or more.
const AT_A_TIME: usize = 256;

/// A hash map, and room for what is read of it.
pub struct Batches<K, V> {
    map: OwnedFd,
    keys: Box<[u8]>,
    values: Box<[u8]>,
    elements: PhantomData<(K, V)>,
}

impl<K: Pod, V: Pod> Batches<K, V> {
    /// # Errors
    /// The map is no hash map of these types, or there is no descriptor left.
    pub fn of(map: &Map) -> io::Result<Self> {
        let wrong = || io::Error::other("no hash map of these keys and values");
        let Map::HashMap(data) = map else {
            return Err(wrong());
        };
        let info = data.info().map_err(io::Error::other)?;
        if (info.key_size(), info.value_size()) != (size_of::<K>() as u32, size_of::<V>() as u32) {
            return Err(wrong());
        }
        Ok(Self {
            map: data.fd().as_fd().try_clone_to_owned()?,
            keys: vec![0; AT_A_TIME * size_of::<K>()].into(),
            values: vec![0; AT_A_TIME * size_of::<V>()].into(),
            elements: PhantomData,
        })
    }

    /// Hands on every element that is in the map all the time; what comes or
    /// goes meanwhile may be among them.
    ///
    /// # Errors
    /// The kernel's, as for one element: EPERM where the privilege is gone.
    pub fn each(&mut self, mut see: impl FnMut(K, V)) -> io::Result<()> {
        // The bucket that is next, as the kernel numbers them.
        let mut next = 0_u32;
        let mut first = true;
        loop {
            let from = next;
            let mut attr = Attr {
                in_batch: if first { 0 } else { &raw const from as u64 },
                out_batch: &raw mut next as u64,
                keys: self.keys.as_mut_ptr() as u64,
                values: self.values.as_mut_ptr() as u64,
                count: AT_A_TIME as u32,
                map_fd: self.map.as_raw_fd() as u32,
                elem_flags: 0,
                flags: 0,
            };
            // SAFETY: room for as many keys and values as `count` says, of the
            // map's own sizes; two words for the position; all live.
            let last = match unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attr) } {
                Ok(_) => false,
                // The end, after so many.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Err(error) => return Err(error),
            };
            let keys = self.keys.chunks_exact(size_of::<K>());
            let values = self.values.chunks_exact(size_of::<V>());
            for (key, value) in keys.zip(values).take(attr.count as usize) {
                // SAFETY: as many bytes as the types have, which any bytes make.
                let element = unsafe {
                    (
                        key.as_ptr().cast::<K>().read_unaligned(),
                        value.as_ptr().cast::<V>().read_unaligned(),
                    )
                };
                see(element.0, element.1);
            }
            if last {
                return Ok(());
            }
            first = false;
        }
    }
}
