//! Runs of programs that the kernel skipped.
//!
//! As long as one run of a tracing program is preempted, the kernel skips it
//! for all other tasks on that CPU (kernel/bpf/trampoline.c
//! `__bpf_prog_enter_recur`; since 7.x also programs on system-call
//! tracepoints, kernel/trace/bpf_trace.c `trace_call_bpf_faultable`). Where
//! that can be, two programs sit on the same spot, and something goes unseen
//! only when both are skipped. The kernel counts the skips of each, of
//! creations that succeed too, so what went unseen has an upper bound.
//!
//! A kprobe's programs can't be preempted, but they are skipped as long as
//! anybody's `bpf()` call on an element of a map (kernel/bpf/syscall.c
//! `bpf_disable_instrumentation`) is preempted on the CPU
//! (kernel/trace/bpf_trace.c `trace_call_bpf`). Two of them would be skipped
//! together, so what was concluded meanwhile is doubted.

use std::{cell::Cell, os::fd::RawFd};

use super::fdinfo;

/// What two programs sit on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spot {
    /// The entry of one function.
    Entry,
    /// The return of one function.
    Return,
    /// An instruction within one.
    Stage,
}

/// Two programs on one spot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What both sit on.
    pub spot: Spot,
    /// File descriptor of one program.
    pub one: RawFd,
    /// File descriptor of the other.
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

/// Programs whose silence means something: the stages.
#[derive(Debug, Default)]
pub struct Watch {
    programs: Vec<RawFd>,
    skipped: Cell<u64>,
    /// CLOCK_MONOTONIC, nanoseconds: what happened before may lack a program's
    /// word, or have an earlier creation's.
    doubted_until: Cell<u64>,
}

impl Watch {
    /// Whether there is anything to watch.
    pub fn is_any(&self) -> bool {
        !self.programs.is_empty()
    }

    /// Takes a program in, by its file descriptor.
    pub fn add(&mut self, program: RawFd) {
        self.programs.push(program);
    }

    /// Whether one of the programs can have been skipped when this happened.
    ///
    /// `time_ns`: when, and `now_ns`: a time that is not before this call, both
    /// CLOCK_MONOTONIC. Skips that have been counted since the last call can
    /// have been at any time between the two.
    pub fn doubts(&self, time_ns: u64, now_ns: impl FnOnce() -> u64) -> bool {
        self.note(self.programs.iter().copied().map(skipped).sum(), now_ns);
        time_ns <= self.doubted_until.get()
    }

    fn note(&self, skipped: u64, now_ns: impl FnOnce() -> u64) {
        if self.skipped.replace(skipped) != skipped {
            self.doubted_until.set(now_ns());
        }
    }
}

/// `recursion_misses` of a program (kernel/bpf/syscall.c
/// `bpf_prog_show_fdinfo`).
fn skipped(program: RawFd) -> u64 {
    fdinfo::read(program)
        .ok()
        .and_then(|text| parse(&text))
        .unwrap_or(0)
}

fn parse(text: &str) -> Option<u64> {
    fdinfo::number(text, "recursion_misses:")
}

#[cfg(test)]
mod tests {
    use super::Watch;

    #[test]
    fn what_happened_before_a_skip_was_seen_is_doubted() {
        let watch = Watch::default();
        let at = |skipped, now, time: u64| {
            watch.note(skipped, || now);
            time <= watch.doubted_until.get()
        };
        assert!(!at(0, 10, 5));
        assert!(at(3, 20, 15));
        // Waiting to be read while the skips were counted.
        assert!(at(3, 30, 18));
        assert!(!at(3, 30, 25));
        assert!(at(4, 40, 35));
    }

    #[test]
    fn the_kernels_line_is_read() {
        let text =
            "pos:\t0\nprog_type:\t26\nrun_cnt:\t3\nrecursion_misses:\t29\nverified_insns:\t251\n";
        assert_eq!(super::parse(text), Some(29));
        assert_eq!(super::parse("prog_type:\t26\n"), None);
    }
}
