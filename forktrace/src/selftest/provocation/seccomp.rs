//! A filter that answers EAGAIN to clone(2).

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{
        Trouble, create,
        seccomp::{self, Action},
    },
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::Seccomp, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        link.step();
        seccomp::install(&[libc::SYS_clone], Action::Errno(libc::EAGAIN))
            .map_err(Trouble::into_skip)?;
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EAGAIN)?;
    Ok(Provoked::new(Expected::new(Cause::Seccomp, Errno::EAGAIN, 1)).keep(actor))
}
