//! Runs of programs that the kernel skipped.
//!
//! As long as one run of a tracing program is preempted, the kernel skips it
//! for all other tasks on that CPU (kernel/bpf/trampoline.c
//! `__bpf_prog_enter_recur`; since 7.x also programs on system-call
//! tracepoints, kernel/trace/bpf_trace.c `trace_call_bpf_faultable`). Where
//! that can be, two programs sit on the same spot, and something goes unseen
//! only when both are skipped. The kernel counts the skips of each, of
//! creations that succeed too, so what went unseen has an upper bound.

use std::os::fd::RawFd;

/// What two programs sit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    Entry,
    Return,
    Stage,
}

/// Two programs on one spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub spot: Spot,
    pub one: RawFd,
    pub other: RawFd,
}

impl Pair {
    /// How often both can have been skipped at once, at most, since they were
    /// loaded. 0 where the kernel doesn't count (before 5.12), and doesn't
    /// skip.
    pub fn at_most(&self) -> u64 {
        skipped(self.one).min(skipped(self.other))
    }
}

/// `recursion_misses` of a program (kernel/bpf/syscall.c
/// `bpf_prog_show_fdinfo`).
fn skipped(program: RawFd) -> u64 {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{program}"))
        .ok()
        .and_then(|text| parse(&text))
        .unwrap_or(0)
}

fn parse(fdinfo: &str) -> Option<u64> {
    fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("recursion_misses:"))
        .and_then(|n| n.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_line_is_read() {
        let text =
            "pos:\t0\nprog_type:\t26\nrun_cnt:\t3\nrecursion_misses:\t29\nverified_insns:\t251\n";
        assert_eq!(super::parse(text), Some(29));
        assert_eq!(super::parse("prog_type:\t26\n"), None);
    }
}
