//! A pidfd where every descriptor that RLIMIT_NOFILE allows is in use.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{
        Trouble, create,
        sys::{self, Resource},
    },
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::RlimitNofile, run)];

/// More than an actor has open.
const LIMIT: u64 = 23;

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::limit(Resource::Nofile, LIMIT, LIMIT)?;
        sys::fill_descriptors();
        link.step();
        link.ready([create::attempt_with_pidfd() as u64]);
        Ok(())
    })?;
    let answer = number(&actor.go()?, 0)?;
    if answer == libc::ENOSYS as u64 {
        return Err(Trouble::Skip("no clone3(2) here".to_owned()));
    }
    refused(answer, Errno::EMFILE)?;
    let expected = Expected::new(Cause::RlimitNofile, Errno::EMFILE, 1).limit(
        Scope::Exact(Owner::Process),
        Number::Exact(LIMIT),
        Number::Exact(LIMIT),
    );
    Ok(Provoked::new(expected).keep(actor))
}
