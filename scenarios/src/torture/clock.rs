//! The two clocks: the kernel's, which its tracer and BPF programs read, and the wall's, which
//! records state.

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, nanoseconds.
pub(super) fn monotonic() -> u64 {
    read(ClockId::Monotonic) as u64
}

/// How far the wall clock is ahead of it, nanoseconds: of many looks the one that took least.
pub(super) fn ahead() -> i128 {
    let looks = (0..200).map(|_| {
        let before = read(ClockId::Monotonic);
        let wall = read(ClockId::Realtime);
        let after = read(ClockId::Monotonic);
        (after - before, wall - (before + after) / 2)
    });
    looks.min().map_or(0, |(_, ahead)| ahead)
}

fn read(clock: ClockId) -> i128 {
    let time = clock_gettime(clock);
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
