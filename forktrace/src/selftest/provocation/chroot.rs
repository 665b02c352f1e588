//! A process in a chroot that asks for a user namespace.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, sys},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::Chroot, run)];

/// A folder that every host has; nothing in it is needed.
const ROOT: &str = "/proc";
/// Debian's switch, which answers EPERM before the chroot does.
const SWITCH: &str = "/proc/sys/kernel/unprivileged_userns_clone";

fn run(world: &World) -> Result<Provoked, Trouble> {
    let uid = world.fresh_uid()?;
    if std::fs::read_to_string(SWITCH).is_ok_and(|text| text.trim() == "0") {
        return Err(Trouble::Skip(
            "kernel.unprivileged_userns_clone is 0 here".to_owned(),
        ));
    }
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        std::os::unix::fs::chroot(ROOT)
            .map_err(Trouble::at("chroot"))
            .map_err(Trouble::into_skip)?;
        sys::become_uid(uid)?;
        link.step();
        link.ready([create::attempt(libc::CLONE_NEWUSER) as u64]);
        Ok(())
    })?;
    let answer = number(&actor.go()?, 0)?;
    if answer == libc::ENOSPC as u64 {
        return Err(Trouble::Skip(
            "user.max_user_namespaces allows none here".to_owned(),
        ));
    }
    refused(answer, Errno::EPERM)?;
    let expected = Expected::new(Cause::Chroot, Errno::EPERM, 1).uid(uid);
    Ok(Provoked::new(expected).keep(actor))
}
