//! A user's user namespace while Debian's setting forbids it.

use std::path::Path;

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, setting::Setting, sys},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::host(Cause::UnprivilegedUserns, run)];

const NAME: &str = "kernel/unprivileged_userns_clone";

fn run(world: &World) -> Result<Provoked, Trouble> {
    if !Path::new("/proc/sys").join(NAME).exists() {
        return Err(Trouble::Skip(
            "this kernel has no kernel.unprivileged_userns_clone (Debian's have)".to_owned(),
        ));
    }
    let uid = world.fresh_uid()?;
    let setting = Setting::keep(&world.undo, NAME)?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::become_uid(uid)?;
        link.step();
        link.ready([create::attempt(libc::CLONE_NEWUSER) as u64]);
        Ok(())
    })?;
    setting.change(0)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::EPERM)?;
    let expected = Expected::new(Cause::UnprivilegedUserns, Errno::EPERM, 1).uid(uid);
    Ok(Provoked::new(expected).keep(setting).keep(actor))
}
