//! Children that go to a pid namespace whose init has come and gone.

use super::{Provocation, Provoked, inode, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    selftest::{
        actor::Actor,
        expect::{Expected, Number, Scope},
        sys,
        trouble::Trouble,
        world::World,
    },
};

pub const ALL: &[Provocation] = &[Provocation::own(Cause::PidNamespaceDead, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (actor, told) = Actor::start(&world.comm, |link| {
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID").map_err(Trouble::into_skip)?;
        let init = sys::sleeper().map_err(|errno| Trouble::Refused {
            doing: "starting the namespace's init".to_owned(),
            source: std::io::Error::from_raw_os_error(errno),
        })?;
        // The namespace shows only while it has an init.
        let inode = sys::namespace("pid_for_children");
        // SAFETY: not waited for yet, so the pid is its.
        unsafe { libc::kill(init, libc::SIGKILL) };
        sys::reap(init);
        link.tell(&[inode?]);
        link.tell(&[sys::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::PidNamespaceDead, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::PidNamespace {
            inum: inode(&told, 0)?,
        }),
        Number::Any,
        Number::Any,
    );
    Ok(Provoked::new(expected).keep(actor))
}
