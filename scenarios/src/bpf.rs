//! The bpf() system call.

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

const BPF_MAP_CREATE: i64 = 0;
const BPF_MAP_LOOKUP_ELEM: i64 = 1;
const BPF_MAP_UPDATE_ELEM: i64 = 2;
const BPF_MAP_TYPE_HASH: u32 = 1;
const VALUE_BYTES: u32 = 16 << 10;

pub(crate) const PROG_LOAD: i64 = 5;

/// `union bpf_attr` of BPF_PROG_LOAD (include/uapi/linux/bpf.h).
#[repr(C)]
#[derive(Default)]
pub(crate) struct Load {
    pub prog_type: u32,
    pub insn_cnt: u32,
    pub insns: u64,
    pub license: u64,
    pub log: [u32; 4],
    pub kern_version: u32,
    pub prog_flags: u32,
    pub prog_name: [u8; 16],
    pub prog_ifindex: u32,
    pub expected_attach_type: u32,
    pub prog_btf_fd: u32,
    pub func_info_rec_size: u32,
    pub func_info: u64,
    pub func_info_cnt: u32,
    pub line_info_rec_size: u32,
    pub line_info: u64,
    pub line_info_cnt: u32,
    pub attach_btf_id: u32,
    pub attach_prog_fd: u32,
    pub reserved: u32,
}

/// One instruction (`struct bpf_insn`); of the registers the first four bits are
/// the destination.
pub(crate) fn instruction(code: u8, registers: u8, offset: i16, value: i32) -> u64 {
    u64::from(code)
        | u64::from(registers) << 8
        | u64::from(offset as u16) << 16
        | u64::from(value as u32) << 32
}

/// A command that answers with a file descriptor.
pub(crate) fn opened<T>(command: i64, attr: &mut T) -> io::Result<OwnedFd> {
    let fd = call(command, attr)?;
    // SAFETY: made for us just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// A command that answers with a number.
pub(crate) fn call<T>(command: i64, attr: &mut T) -> io::Result<i64> {
    // SAFETY: the struct is the command's, and what it points to outlives the
    // call.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attr),
            size_of::<T>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(answer)
}

/// A hash map of one large value, whose reading takes long.
pub(crate) struct Map(OwnedFd);

/// `union bpf_attr` of BPF_MAP_CREATE (include/uapi/linux/bpf.h).
#[repr(C)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The same of BPF_MAP_*_ELEM.
#[repr(C)]
struct Element {
    map_fd: u64,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    pub(crate) fn new() -> io::Result<Self> {
        let map = Self(opened(
            BPF_MAP_CREATE,
            &mut Create {
                map_type: BPF_MAP_TYPE_HASH,
                key_size: 4,
                value_size: VALUE_BYTES,
                max_entries: 1,
            },
        )?);
        map.element(BPF_MAP_UPDATE_ELEM)?;
        Ok(map)
    }

    /// Reads the value once.
    pub(crate) fn read(&self) -> io::Result<()> {
        self.element(BPF_MAP_LOOKUP_ELEM)
    }

    fn element(&self, command: i64) -> io::Result<()> {
        let key = 0_u32;
        let mut value = [0_u8; VALUE_BYTES as usize];
        let mut element = Element {
            map_fd: self.0.as_raw_fd() as u64,
            key: &raw const key as u64,
            value: value.as_mut_ptr() as u64,
            flags: 0,
        };
        call(command, &mut element).map(drop)
    }
}
