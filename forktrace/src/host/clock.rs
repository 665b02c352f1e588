//! From the kernel's monotonic clock to times that people and files use.

use jiff::Timestamp;

/// The two clocks at one instant. Taken anew for every event, so
/// that a step of the wall clock moves only what comes after it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: Timestamp,
    monotonic_ns: u64,
}

/// Readings within this time are of one instant; else they are taken again, so many times, and the
/// closest are believed.
const AT_ONCE_NS: u64 = 20_000;
const ATTEMPTS: u32 = 5;

/// CLOCK_MONOTONIC, which bpf_ktime_get_ns counts as well.
fn monotonic_ns() -> u64 {
    nanoseconds(libc::CLOCK_MONOTONIC)
}

/// CLOCK_BOOTTIME, in which /proc says when a process began, at the time of the monotonic clock's `ns`: they are apart
/// by how long the machine was suspended.
pub fn boot_ns(ns: u64) -> u64 {
    let monotonic = monotonic_ns();
    let boot = nanoseconds(libc::CLOCK_BOOTTIME);
    boot.saturating_sub(monotonic).saturating_add(ns)
}

fn nanoseconds(clock: libc::clockid_t) -> u64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid clock and a live timespec.
    unsafe { libc::clock_gettime(clock, &raw mut t) };
    (t.tv_sec as u64) * 1_000_000_000 + t.tv_nsec as u64
}

impl Clock {
    /// Both clocks, read as close together as a few attempts allow.
    pub fn now() -> Self {
        let (mut best, mut apart) = Self::read();
        for _ in 1..ATTEMPTS {
            // Between its two readings this task may have been kept waiting.
            if apart < AT_ONCE_NS {
                break;
            }
            let (clock, this) = Self::read();
            if this < apart {
                (best, apart) = (clock, this);
            }
        }
        best
    }

    /// The clocks, and how many nanoseconds it took to read both.
    fn read() -> (Self, u64) {
        let monotonic_ns = monotonic_ns();
        let clock = Self {
            monotonic_ns,
            wall: Timestamp::now(),
        };
        (clock, self::monotonic_ns() - monotonic_ns)
    }

    /// Wall time of this instant, RFC 3339 in UTC with nanoseconds.
    pub fn wall(&self) -> String {
        format!("{:.9}", self.wall)
    }

    /// Wall time at which the monotonic clock showed `ns`.
    pub fn rfc3339(&self, ns: u64) -> String {
        let back = i64::try_from(i128::from(self.monotonic_ns) - i128::from(ns)).unwrap_or(0);
        let then = self
            .wall
            .checked_sub(jiff::SignedDuration::from_nanos(back))
            .unwrap_or(self.wall);
        format!("{then:.9}")
    }

    /// CLOCK_MONOTONIC, nanoseconds.
    pub fn monotonic_ns(&self) -> u64 {
        self.monotonic_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_nanoseconds_and_run_forward() {
        let clock = Clock::now();
        let earlier = clock.rfc3339(clock.monotonic_ns() - 1_500_000_000);
        let now = clock.rfc3339(clock.monotonic_ns());
        assert_eq!(now, clock.wall());
        assert!(earlier < now, "{earlier} {now}");
        assert_eq!(now.len(), "2026-11-22T13:14:15.123456789Z".len());
        assert!(now.ends_with('Z'));
    }

    #[test]
    fn the_clock_of_processes_is_never_behind() {
        let now = monotonic_ns();
        assert!(boot_ns(now) >= now);
    }
}
