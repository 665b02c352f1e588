//! Work that ordinary tasks don't preempt.

use std::mem;

/// Does some work as a real-time task of the lowest priority (SCHED_FIFO,
/// sched(7)), where that is allowed, and goes back to what it was.
///
/// A `bpf()` call on a map that is preempted keeps kprobes on its CPU from
/// running (see [`super::skips`]); on a busy host that can be for as long as
/// other tasks take their turn. Meant for microseconds. A caller that is a
/// real-time task already stays what it is.
pub fn uninterrupted<T>(work: impl FnOnce() -> T) -> T {
    let before = ordinary();
    let raised = before.is_some_and(|_| set(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, 1));
    let done = work();
    if let Some(policy) = before.filter(|_| raised) {
        set(policy, 0);
    }
    done
}

/// The thread's policy, if it is an ordinary task.
fn ordinary() -> Option<i32> {
    // SAFETY: of the calling thread; takes no pointer.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let plain = policy & !libc::SCHED_RESET_ON_FORK;
    matches!(
        plain,
        libc::SCHED_OTHER | libc::SCHED_BATCH | libc::SCHED_IDLE
    )
    .then_some(policy)
}

fn set(policy: i32, priority: i32) -> bool {
    // SAFETY: integers, of which zero is a value.
    let mut param: libc::sched_param = unsafe { mem::zeroed() };
    param.sched_priority = priority;
    // SAFETY: of the calling thread, with a live parameter. Not allowed is an
    // answer.
    unsafe { libc::sched_setscheduler(0, policy, &raw const param) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_is_what_it_was() {
        let before = ordinary();
        assert!(before.is_some(), "tests are ordinary tasks");
        let within = uninterrupted(ordinary);
        assert_eq!(ordinary(), before);
        // Where it isn't allowed nothing changes.
        if set(libc::SCHED_FIFO, 1) {
            assert_eq!(within, None);
            assert_eq!(uninterrupted(ordinary), None);
            assert_eq!(ordinary(), None);
            set(libc::SCHED_OTHER, 0);
        }
    }
}
