//! The two clocks: the kernel's, which its tracer and BPF programs read, and the wall's, which
//! records tell.

/// CLOCK_MONOTONIC, nanoseconds.
pub fn monotonic() -> u64 {
    read(libc::CLOCK_MONOTONIC) as u64
}

/// How far the wall clock is ahead of it, nanoseconds: of many looks the one that took least.
pub fn ahead() -> i128 {
    let looks = (0..200).map(|_| {
        let before = read(libc::CLOCK_MONOTONIC);
        let wall = read(libc::CLOCK_REALTIME);
        let after = read(libc::CLOCK_MONOTONIC);
        (after - before, wall - (before + after) / 2)
    });
    looks.min().map_or(0, |(_, ahead)| ahead)
}

fn read(clock: libc::clockid_t) -> i128 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the struct outlives the call; both clocks exist everywhere.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}
