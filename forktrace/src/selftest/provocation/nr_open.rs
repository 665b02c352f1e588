//! A process with a descriptor above what fs.nr_open has become.

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{
        Trouble, create,
        setting::Setting,
        sys::{self, Resource},
    },
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::host(Cause::NrOpen, run)];

/// So many that hardly anybody else has more open; a multiple of what the
/// kernel rounds to.
const BOUND: u64 = 65_536;
const LIMIT: u64 = 2 * BOUND;

fn run(world: &World) -> Result<Provoked, Trouble> {
    let setting = Setting::keep(&world.undo, "fs/nr_open")?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::limit(Resource::Nofile, LIMIT, LIMIT).map_err(Trouble::into_skip)?;
        sys::open_at((BOUND + 500) as i32).map_err(Trouble::into_skip)?;
        link.step();
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    setting.change(BOUND)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::EMFILE)?;
    let expected = Expected::new(Cause::NrOpen, Errno::EMFILE, 1).limit(
        Scope::Exact(Owner::Host),
        Number::Exact(BOUND),
        Number::Any,
    );
    Ok(Provoked::new(expected).keep(setting).keep(actor))
}
