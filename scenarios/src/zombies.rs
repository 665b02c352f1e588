//! Processes that have ended and that nobody reaps.

use anyhow::Result;
use forktrace::provoke::sys;

use crate::actor::Actor;
use crate::cgroup::Cgroup;

/// A process in `home` with `count` children that have ended and that it leaves
/// as they are; what each does before, after taking a name.
pub(crate) fn careless(
    home: &Cgroup,
    count: u64,
    before: impl Fn() -> Result<()>,
) -> Result<Actor> {
    let (actor, _) = Actor::start("careless", |link| {
        home.enter()?;
        // By which ended children stay.
        sys::signal::default(libc::SIGCHLD);
        for _ in 0..count {
            let pid = sys::child("fork of a zombie", || {
                sys::set_comm("stillborn");
                i32::from(before().is_err())
            })?;
            sys::await_zombie(pid);
        }
        link.step();
        Ok(())
    })?;
    Ok(actor)
}
