//! A task that asks for sharers of its file-system state while a thread of its
//! process is within execve(2), where [`HeldExec`] keeps it.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, held_exec::HeldExec},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::ExecInProgress, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        let doing = "holding an execve of a file in memory";
        let forbidden = |error| Trouble::at(doing)(error).into_skip();
        let held = HeldExec::new().map_err(forbidden)?;
        link.step();
        let errno = held
            .during(|| create::attempt(libc::CLONE_FS))
            .map_err(forbidden)?;
        link.ready([errno as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EAGAIN)?;
    let expected = Expected::new(Cause::ExecInProgress, Errno::EAGAIN, 1);
    Ok(Provoked::new(expected).keep(actor))
}
