//! A task under SCHED_DEADLINE, which may not create another.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, sys},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::SchedDeadline, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        // 1 ms in every 100: a host with deadline tasks of its own has room for it.
        sys::sched_deadline(1).map_err(Trouble::into_skip)?;
        link.step();
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EAGAIN)?;
    Ok(Provoked::new(Expected::new(Cause::SchedDeadline, Errno::EAGAIN, 1)).keep(actor))
}
