//! Whether the kernel preempts itself.
//!
//! The kernel skips a tracing program that was preempted on the same CPU in
//! the midst of another task's run (kernel/bpf/trampoline.c
//! `__bpf_prog_enter_recur`). Where it doesn't preempt itself, that can't be.
//!
//! As long as one run of a tracing program is preempted, the kernel skips it for all other
//! tasks on that CPU, and a storm of failures would lose them by the slice. So where the kernel
//! preempts itself (`probe/preempt.rs`) two programs sit on the failing return, and whichever
//! runs first reports (on system-call tracepoints since 7.x only, which runs their programs
//! preemptibly as well); the stages, which are on error paths alone, are hooked by kprobes,
//! which can't be preempted. What both programs were skipped for is reported: the kernel counts the
//! skips (`probe/skips.rs`). A kprobe is skipped too, while anybody's `bpf()` call on a map is
//! preempted on its CPU; a verdict that rests on a stage's silence, or on a note that may be an
//! earlier creation's, is then made from the numbers alone. Before 6.7 the kernel doesn't count
//! that, so there a kprobe's silence means nothing where the kernel preempts itself.
//! forktrace's own reading of its maps is done as a real-time task, so that it isn't preempted
//! (`probe/uninterrupted.rs`). Holding preemption off in the program doesn't help, because it
//! is preempted where it lets go, still inside the program; a kretprobe costs three times as
//! much and has ten places; kprobe.multi has a place for all, by way of a probe on every
//! context switch and a page for every task.

use std::io::Read as _;

use super::tracefs::Detached;

/// Whether kernel code can be preempted; true also when that can't be found
/// out.
pub fn possible() -> bool {
    let version = std::fs::read_to_string("/proc/version").unwrap_or_default();
    by_version(&version).unwrap_or_else(|| {
        let mut mode = String::new();
        let read = Detached::mount(c"debugfs")
            .and_then(|fs| fs.open(c"sched/preempt"))
            .and_then(|mut file| file.read_to_string(&mut mode));
        read.is_err() || by_mode(&mode)
    })
}

/// What /proc/version says of it (init/Makefile: `PREEMPT`, `PREEMPT_RT`,
/// `PREEMPT_DYNAMIC`; nothing where the kernel isn't preemptible). `None`: it is
/// chosen at boot.
fn by_version(version: &str) -> Option<bool> {
    if !version.contains("PREEMPT") {
        return Some(version.is_empty());
    }
    // 6.18+: PREEMPT(lazy), PREEMPT(voluntary).
    if version.contains("PREEMPT(voluntary)") || version.contains("PREEMPT(none)") {
        return Some(false);
    }
    (!version.contains("PREEMPT_DYNAMIC")).then_some(true)
}

/// Kernels that choose at boot show their mode in debugfs, as in
/// `none (voluntary) full`.
fn by_mode(mode: &str) -> bool {
    !(mode.contains("(voluntary)") || mode.contains("(none)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_every_kind() {
        let of = |kind: &str| by_version(&format!("Linux version 6.12.1 (gcc 14) #1 SMP {kind}"));
        assert_eq!(of("Debian 5.10.262-1"), Some(false));
        assert_eq!(of("PREEMPT Debian"), Some(true));
        // Debian's linux-image-rt-amd64, 6.1 and 6.12.
        assert_eq!(of("PREEMPT_RT Debian 6.1.192-3"), Some(true));
        assert_eq!(of("PREEMPT_DYNAMIC Debian"), None);
        assert_eq!(of("PREEMPT(full)"), Some(true));
        assert_eq!(of("PREEMPT(lazy)"), Some(true));
        assert_eq!(of("PREEMPT(voluntary)"), Some(false));
        assert_eq!(of("PREEMPT(none)"), Some(false));
        assert_eq!(by_version(""), Some(true));
    }

    #[test]
    fn modes_in_debugfs() {
        assert!(!by_mode("none (voluntary) full"));
        assert!(!by_mode("(none) voluntary full lazy"));
        assert!(by_mode("none voluntary (full)"));
        assert!(by_mode("full (lazy)"));
    }
}
