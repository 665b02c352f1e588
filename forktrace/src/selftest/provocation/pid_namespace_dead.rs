//! Children that go to a pid namespace whose init has come and gone.

use super::{Provocation, Provoked, inode, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, sleeper, sys},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::PidNamespaceDead, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, report) = Actor::start(&world.comm, |link| {
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID").map_err(Trouble::into_skip)?;
        let init = sleeper::sleeper()
            .map_err(|errno| Trouble::errno("starting the namespace's init", errno))?;
        // The namespace shows only while it has an init.
        let inode = sys::namespace("pid_for_children");
        sys::end(init);
        link.ready([inode?]);
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::PidNamespaceDead, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::PidNamespace {
            inum: inode(&report, 0)?,
        }),
        Number::Any,
        Number::Any,
    );
    Ok(Provoked::new(expected).keep(actor))
}
