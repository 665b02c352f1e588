//! kernel.threads-max below what there is. Everybody is refused while it is.

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    host::limits::HostNow,
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, setting::Setting},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::host(Cause::ThreadsMax, run)];

/// MIN_THREADS, kernel/fork.c: the kernel takes no less.
const LEAST: u64 = 20;

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        link.step();
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    let tasks = HostNow::read().threads.unwrap_or(0);
    // Far enough below that tasks that end meanwhile make no room.
    let value = (tasks / 2).max(LEAST);
    if value >= tasks {
        return Err(Trouble::Skip(format!(
            "{tasks} tasks are too few: the kernel takes no threads-max below {LEAST}"
        )));
    }
    let setting = Setting::keep(&world.undo, "kernel/threads-max")?;
    setting.change(value)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::EAGAIN)?;
    let expected = Expected::new(Cause::ThreadsMax, Errno::EAGAIN, 1).limit(
        Scope::Exact(Owner::Host),
        Number::Exact(value),
        Number::AtLeast(value),
    );
    Ok(Provoked::new(expected).keep(setting).keep(actor))
}
