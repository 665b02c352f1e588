//! Whether the kernel preempts itself.
//!
//! The kernel skips a tracing program that was preempted on the same CPU in
//! the midst of another task's run (kernel/bpf/trampoline.c
//! `__bpf_prog_enter_recur`). Where it doesn't preempt itself, that can't be.

use std::io::Read as _;

use super::tracefs::Detached;

/// Whether kernel code can be preempted; true also when that can't be found
/// out. PREEMPT_DYNAMIC kernels tell their mode in debugfs, as in
/// `none (voluntary) full`; others are named so in /proc/version, or aren't
/// preemptible.
pub fn possible() -> bool {
    let version = std::fs::read_to_string("/proc/version").unwrap_or_default();
    if !version.contains("PREEMPT") {
        return version.is_empty();
    }
    // 6.18+: PREEMPT(lazy), PREEMPT(voluntary).
    if version.contains("PREEMPT(voluntary)") || version.contains("PREEMPT(none)") {
        return false;
    }
    if !version.contains("PREEMPT_DYNAMIC") {
        return true;
    }
    let mut mode = String::new();
    let read = Detached::mount(c"debugfs")
        .and_then(|fs| fs.open(c"sched/preempt"))
        .and_then(|mut file| file.read_to_string(&mut mode));
    read.is_err() || !(mode.contains("(voluntary)") || mode.contains("(none)"))
}
