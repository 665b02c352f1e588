//! Attaching a program to a tracepoint by its id.
//!
//! aya finds the id itself, but only in a mounted tracefs; see
//! [`super::tracefs`].

use std::{
    io,
    os::fd::{AsRawFd as _, BorrowedFd, OwnedFd},
};

use super::tracefs::syscall_fd;

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_ATTR_SIZE_VER5: u32 = 112;
const PERF_FLAG_FD_CLOEXEC: usize = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// The head of `struct perf_event_attr` (include/uapi/linux/perf_event.h).
#[repr(C)]
#[derive(Default)]
struct Attr {
    type_: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    rest: [u64; 10],
}

/// Whether the kernel has kprobes at all (CONFIG_KPROBE_EVENTS), by the file that
/// has their type.
///
/// # Errors
/// The kernel has no kprobes, or sysfs isn't mounted.
pub(super) fn has_kprobes() -> Result<(), String> {
    const TYPE: &str = "/sys/bus/event_source/devices/kprobe/type";
    std::fs::metadata(TYPE)
        .map(drop)
        .map_err(|error| format!("`{TYPE}`: {error}"))
}

/// Runs the program at every hit of the tracepoint, in every process, until
/// the returned descriptor is closed.
pub(super) fn attach_tracepoint(id: u64, program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let attr = Attr {
        type_: PERF_TYPE_TRACEPOINT,
        size: PERF_ATTR_SIZE_VER5,
        config: id,
        sample_period: 1,
        ..Attr::default()
    };
    // Any process (-1) on CPU 0: programs of a tracepoint run on every CPU
    // whatever the event's own CPU is.
    let event = syscall_fd(
        libc::SYS_perf_event_open,
        [
            (&raw const attr) as usize,
            usize::MAX,
            0,
            usize::MAX,
            PERF_FLAG_FD_CLOEXEC,
        ],
    )?;
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: a live event; both requests take an integer.
        if unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}
