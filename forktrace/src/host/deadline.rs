//! SCHED_DEADLINE, under which nothing may be created.

use std::path::Path;

use super::process;

/// Whether each creation of a process is refused (kernel/sched/core.c `sched_fork`): all of its threads are under
/// SCHED_DEADLINE, and none is reset on fork. False where the policy can't be asked for.
pub fn refuses(proc: &Path, pid: u32) -> bool {
    let mut threads = process::threads(proc, pid).into_iter().peekable();
    threads.peek().is_some() && threads.all(|tid| policy(tid) == Some(libc::SCHED_DEADLINE.into()))
}

/// A thread's policy, with SCHED_RESET_ON_FORK beside it where its children start without (sched_getscheduler(2)).
fn policy(tid: u32) -> Option<libc::c_long> {
    // The call itself: musl's function of this name answers ENOSYS.
    // SAFETY: takes a number and answers one.
    let answer = unsafe { libc::syscall(libc::SYS_sched_getscheduler, libc::c_long::from(tid)) };
    (answer >= 0).then_some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reset_on_fork_is_told_from_what_is_not() {
        let seen = std::thread::spawn(|| {
            // SAFETY: asks for a number.
            let tid = unsafe { libc::gettid() }.cast_unsigned();
            let before = policy(tid);
            let flag = libc::SCHED_OTHER | libc::SCHED_RESET_ON_FORK;
            let priority: libc::c_int = 0;
            // SAFETY: the parameter is one number (include/uapi/linux/sched/types.h `sched_param`).
            let answer = unsafe {
                libc::syscall(libc::SYS_sched_setscheduler, 0, flag, &raw const priority)
            };
            (before, answer, policy(tid))
        });
        let (before, answer, after) = seen.join().unwrap();
        let flag = libc::c_long::from(libc::SCHED_RESET_ON_FORK);
        assert_eq!((answer, after), (0, before.map(|policy| policy | flag)));
        assert!(after.is_some());
        assert!(!refuses(Path::new("/proc"), std::process::id()));
        assert!(!refuses(Path::new("/nonexistent"), 1));
    }
}
