//! The kernel's comparisons, at the last number that passes and the first that doesn't.

use super::*;

#[test]
fn threads_max_refuses_from_the_limit_on() {
    let full = |now| Threads { now, max: 400 }.full();
    assert_eq!([399, 400, 401].map(full), [false, true, true]);
}

#[test]
fn execve_is_refused_beyond_the_limit() {
    let over = |usage, limit| {
        let level = NprocLevel {
            usage,
            limit,
            uid: 1,
            userns: None,
            limit_userns: None,
        };
        level.over()
    };
    assert_eq!([6, 7, 8].map(|n| over(n, Some(7))), [false, false, true]);
    assert!(!over(u64::MAX, None));
}

#[test]
fn ids_run_out_but_for_the_reserved_ones() {
    let ns = |allocated| PidNs {
        inum: 4,
        first: 0,
        level: 0,
        dead: false,
        allocated,
        pid_max: Some(3500),
        full: false,
    };
    assert_eq!(ns(0).usable(), Some(3200));
    // A sixteenth, and 64 more, can have come back since.
    let least = 3200 - 200 - 64;
    let can = |allocated| ns(allocated).can_have_been_full();
    assert_eq!([least - 1, least].map(can), [false, true]);
    let full = PidNs {
        full: true,
        ..ns(0)
    };
    assert!(full.can_have_been_full());
    let unknown = PidNs {
        pid_max: None,
        ..ns(0)
    };
    assert!(unknown.can_have_been_full());
}
