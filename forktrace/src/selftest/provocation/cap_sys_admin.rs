//! A user without capabilities who asks for a namespace.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, sys},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::CapSysAdmin, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let uid = world.fresh_uid()?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::become_uid(uid)?;
        link.step();
        link.ready([create::attempt(libc::CLONE_NEWUTS) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EPERM)?;
    let expected = Expected::new(Cause::CapSysAdmin, Errno::EPERM, 1).uid(uid);
    Ok(Provoked::new(expected).keep(actor))
}
