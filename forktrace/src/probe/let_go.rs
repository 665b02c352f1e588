//! Perf events that the kernel lets go of after forktrace's end, and not before it.
//!
//! Closing the event of a tracepoint waits until no processor can be running its programs
//! (kernel/trace/trace_event_perf.c `perf_trace_event_unreg`, `tracepoint_synchronize_unregister`):
//! 20 ms to 400 ms each, one after the other, and whoever waits for forktrace's end waits for all.
//! An array of perf events (BPF_MAP_TYPE_PERF_EVENT_ARRAY) holds the same events; when it goes, however
//! forktrace ends, the kernel gives them back from a worker of its own (kernel/bpf/arraymap.c
//! `bpf_event_entry_free_rcu`, fs/file_table.c `delayed_fput`).

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
};

use super::bpf::{bpf, bpf_fd};

// include/uapi/linux/bpf.h
const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_TYPE_PERF_EVENT_ARRAY: u32 = 4;

/// Tracepoints of all kinds together are fewer.
const ROOM: u32 = 64;

/// Attributes of BPF_MAP_CREATE.
#[repr(C)]
struct Create {
    kind: u32,
    key_size: u32,
    value_size: u32,
    entries: u32,
    flags: u32,
}

/// Attributes of BPF_MAP_UPDATE_ELEM.
#[repr(C)]
struct Update {
    map: u64,
    key: u64,
    value: u64,
    flags: u64,
}

/// Events that stay attached as long as this does.
#[derive(Default)]
pub(super) struct Events {
    /// Has the events; `None`: none has come yet, or the kernel makes no such array.
    array: Option<OwnedFd>,
    entries: u32,
    /// Those that it doesn't take. Closing detaches.
    others: Vec<OwnedFd>,
}

impl Events {
    /// Keeps one.
    pub(super) fn push(&mut self, event: OwnedFd) {
        if let Err(event) = self.hand_over(event) {
            self.others.push(event);
        }
    }

    /// Keeps several.
    pub(super) fn extend(&mut self, events: impl IntoIterator<Item = OwnedFd>) {
        for event in events {
            self.push(event);
        }
    }

    fn hand_over(&mut self, event: OwnedFd) -> Result<(), OwnedFd> {
        if self.array.is_none() && self.entries == 0 {
            self.array = new_array().ok();
        }
        let Some(array) = &self.array else {
            return Err(event);
        };
        match set(array, self.entries, &event) {
            Ok(()) => {
                self.entries += 1;
                Ok(())
            }
            Err(_) => Err(event),
        }
    }
}

fn new_array() -> io::Result<OwnedFd> {
    let mut create = Create {
        kind: BPF_MAP_TYPE_PERF_EVENT_ARRAY,
        key_size: size_of::<u32>() as u32,
        value_size: size_of::<u32>() as u32,
        entries: ROOM,
        flags: 0,
    };
    // SAFETY: the command's first fields, without pointers; it makes a descriptor.
    unsafe { bpf_fd(BPF_MAP_CREATE, &mut create) }
}

fn set(array: &OwnedFd, key: u32, event: &OwnedFd) -> io::Result<()> {
    let value = event.as_raw_fd();
    let mut update = Update {
        map: array.as_raw_fd() as u64,
        key: (&raw const key) as u64,
        value: (&raw const value) as u64,
        flags: 0,
    };
    // SAFETY: the command's fields; key and value are of the array's sizes, and live as long as the
    // call.
    unsafe { bpf(BPF_MAP_UPDATE_ELEM, &mut update) }.map(drop)
}
