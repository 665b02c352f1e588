//! What the machine says of itself.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Tasks that exist, as /proc/loadavg says (`nr_threads`, kernel/fork.c).
pub(crate) fn tasks_on_host() -> Result<u64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    text.split_whitespace()
        .nth(3)
        .and_then(|f| f.split_once('/'))
        .and_then(|(_, n)| n.parse().ok())
        .with_context(|| format!("/proc/loadavg is {text:?}"))
}

/// The same once it has come to rest: what an earlier scenario has killed is
/// not gone at once.
pub(crate) fn settled_tasks_on_host() -> Result<u64> {
    let mut last = tasks_on_host()?;
    let mut same = 0;
    await_some(Duration::from_secs(10), || {
        let now = tasks_on_host().ok()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
        (same == 20).then_some(())
    });
    Ok(last)
}

/// A value of /proc/meminfo, in bytes.
pub(crate) fn meminfo(name: &str) -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok())
        .map(|kb| kb * 1024)
        .with_context(|| format!("no {name} in /proc/meminfo"))
}

/// What the kernel lists of BPF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BpfKind {
    Programs = 11,
    Maps = 12,
    Links = 31,
}

/// Ids of what there is, by the `BPF_*_GET_NEXT_ID` commands of bpf(2).
pub(crate) fn bpf_ids(kind: BpfKind) -> Result<Vec<u32>> {
    #[repr(C)]
    #[derive(Default)]
    struct Attr {
        start: u32,
        next: u32,
        flags: u32,
        rest: [u32; 29],
    }
    let mut ids = Vec::new();
    let mut attr = Attr::default();
    loop {
        // SAFETY: the union's first bytes, zeros after them.
        let answer =
            unsafe { libc::syscall(libc::SYS_bpf, kind as i32, &raw mut attr, size_of::<Attr>()) };
        if answer < 0 {
            let error = io::Error::last_os_error();
            if error.raw_os_error() == Some(libc::ENOENT) {
                return Ok(ids);
            }
            return Err(error).with_context(|| format!("bpf: list of {kind:?}"));
        }
        ids.push(attr.next);
        attr.start = attr.next;
    }
}

/// Waits until `done` answers something or the time is over.
pub(crate) fn await_some<T>(timeout: Duration, mut done: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    loop {
        if let Some(got) = done() {
            return Some(got);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Since 6.7 the kernel counts the kprobes that it skips (kernel/trace/bpf_trace.c
/// `trace_call_bpf`). Before, where it preempts itself, that one didn't run means nothing, and
/// what rests on it is inferred.
pub(crate) fn counts_skipped_kprobes() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map_while(|n| n.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(7))
}

/// Kernels built without preemption give a kretprobe one instance a CPU
/// (kernel/kprobes.c `register_kretprobe`, up to 5.x), and what it misses is recorded
/// as a loss. They skip no program.
pub(crate) fn without_preemption() -> bool {
    fs::read_to_string("/proc/version").is_ok_and(|v| !v.contains("PREEMPT"))
}
