//! Flags that exclude each other: a thread without shared signal handlers.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::CloneFlags, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        link.step();
        // Were it granted after all it would have no stack of its own; no
        // kernel grants it.
        link.ready([create::attempt(libc::CLONE_THREAD) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EINVAL)?;
    Ok(Provoked::new(Expected::new(Cause::CloneFlags, Errno::EINVAL, 1)).keep(actor))
}
