//! Attaches of single probes that the kernel refuses: by a seccomp filter that asks a supervisor about each
//! perf_event_open(2).

use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::{Context, Result};
use forktrace::provoke::seccomp::supervise;
use forktrace::provoke::sys;

/// include/uapi/linux/seccomp.h
const SECCOMP_IOCTL_NOTIF_RECV: libc::c_ulong = 0xc050_2100;
const SECCOMP_IOCTL_NOTIF_SEND: libc::c_ulong = 0xc018_2101;

/// A kprobe or kretprobe that is refused.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    /// The kernel function.
    pub function: &'static str,
    /// On its return.
    pub on_return: bool,
}

/// Has the kernel refuse one probe to the program that the command starts, by EPERM, as often as it is asked
/// for.
pub(crate) fn refuse(command: &mut Command, probe: Probe) {
    let before = move || {
        let mut listener = Some(supervise(&[libc::SYS_perf_event_open]).map_err(io::Error::other)?);
        // Has the filter too, and makes no such call.
        sys::child("fork of a supervisor", || {
            sys::die_with_parent();
            // No other descriptor: whoever starts the program waits until one is closed.
            let Some(listener) = listener.take() else {
                return 1;
            };
            let [listener] = sys::keep_only([listener]);
            match answer(&listener, probe) {
                Ok(()) => 0,
                Err(_) => 1,
            }
        })
        .map_err(io::Error::other)?;
        Ok(())
    };
    // SAFETY: this program has one thread, so that the child of the fork may do all that this process may.
    unsafe {
        command.pre_exec(before);
    }
}

/// Answers until nobody is left to ask.
fn answer(listener: &OwnedFd, refused: Probe) -> Result<()> {
    loop {
        // SAFETY: the kernel wants it zeroed, and all zeroes are a value of it.
        let mut asked: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the structure outlives the call, which fills it; its size is in the number of the call.
        let got = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut asked,
            )
        };
        sys::check(got, "ioctl(SECCOMP_IOCTL_NOTIF_RECV)")?;
        let is_it = is_for(&asked, refused).unwrap_or(false);
        let mut said = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error: if is_it { -libc::EPERM } else { 0 },
            flags: if is_it {
                0
            } else {
                libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32
            },
        };
        // SAFETY: the structure outlives the call, which reads it.
        let sent = unsafe {
            libc::ioctl(
                listener.as_raw_fd(),
                SECCOMP_IOCTL_NOTIF_SEND,
                &raw mut said,
            )
        };
        // It may have been killed meanwhile.
        let _ = sent;
    }
}

/// Whether perf_event_open(2) is called for that probe (include/uapi/linux/perf_event.h `perf_event_attr`).
fn is_for(asked: &libc::seccomp_notif, probe: Probe) -> Result<bool> {
    const CONFIG: u64 = 8;
    const KPROBE_FUNC: u64 = 56;
    /// `retprobe` in the kprobe PMU's /sys/bus/event_source/devices/kprobe/format.
    const RETPROBE: u64 = 1;
    let attr = asked.data.args[0];
    let memory = File::open(format!("/proc/{}/mem", asked.pid)).context("opening its memory")?;
    let number = |at| -> Result<u64> {
        let mut bytes = [0; 8];
        memory.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    };
    let name = number(attr + KPROBE_FUNC)?;
    let mut text = vec![0; probe.function.len() + 1];
    memory.read_exact_at(&mut text, name)?;
    let on_return = number(attr + CONFIG)? & RETPROBE != 0;
    Ok(text.strip_suffix(&[0]) == Some(probe.function.as_bytes()) && on_return == probe.on_return)
}
