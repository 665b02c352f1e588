//! A bound that a user namespace's own root has set for it: the host's stay.

use std::fs;

use super::{Provocation, Provoked, inode, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, sys},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::MaxNamespaces, run)];

/// Who opens it meets the bound of its own user namespace (kernel/ucount.c
/// `set_lookup`).
const FILE: &str = "/proc/sys/user/max_uts_namespaces";

fn run(world: &World) -> Result<Provoked, Trouble> {
    if !sys::namespaces_are_counted().map_err(Trouble::at("reading /proc/kallsyms".to_owned()))? {
        return Err(Trouble::Skip(
            "before Linux 5.14 a user's namespaces are counted in a table that this kernel doesn't \
             show (CONFIG_KALLSYMS_ALL)"
                .to_owned(),
        ));
    }
    let (mut actor, report) = Actor::start(&world.comm, |link| {
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER").map_err(Trouble::into_skip)?;
        fs::write(FILE, "1")
            .map_err(Trouble::at(format!("writing 1 to {FILE}")))
            .map_err(Trouble::into_skip)?;
        sys::unshare(libc::CLONE_NEWUTS, "CLONE_NEWUTS").map_err(Trouble::into_skip)?;
        link.ready([sys::namespace("user")?]);
        link.ready([create::attempt(libc::CLONE_NEWUTS) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::ENOSPC)?;
    let expected = Expected::new(Cause::MaxNamespaces, Errno::ENOSPC, 1).limit(
        Scope::Exact(Owner::user_namespace(inode(&report, 0)?)),
        Number::Exact(1),
        Number::Exact(1),
    );
    Ok(Provoked::new(expected).keep(actor))
}
