//! Processes that have ended and that nobody reaps.

use anyhow::Result;

use crate::actor::{self, Actor};
use crate::cgroup::Cgroup;
use crate::sys;

/// A process in `home` with `count` children that have ended and that it leaves
/// as they are; what each does before, after taking a name.
pub fn careless(home: &Cgroup, count: u64, before: impl Fn() -> Result<()>) -> Result<Actor> {
    let (actor, _) = Actor::start("careless", |link| {
        home.enter()?;
        // SAFETY: the default, by which ended children stay.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        for _ in 0..count {
            // SAFETY: the child only takes a name, does `before` and exits.
            let pid = unsafe { libc::fork() };
            if pid == 0 {
                sys::set_comm(b"stillborn");
                actor::exit(i32::from(before().is_err()));
            }
            sys::check(i64::from(pid), "fork of a zombie")?;
            // SAFETY: room for one answer; WNOWAIT leaves the zombie.
            unsafe {
                let mut info: libc::siginfo_t = std::mem::zeroed();
                let what = libc::WEXITED | libc::WNOWAIT;
                libc::waitid(libc::P_PID, pid as u32, &raw mut info, what);
            }
        }
        link.step();
        Ok(())
    })?;
    Ok(actor)
}
