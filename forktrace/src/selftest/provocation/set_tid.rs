//! Ids that clone3(2) is asked for: impossible ones, one that is in use, and
//! any by a user without the capability.

use super::{Provocation, Provoked, clone3_takes, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create, sys},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::own(Cause::SetTidInvalid, invalid),
    Provocation::own(Cause::CapCheckpointRestore, capability),
    Provocation::own(Cause::SetTidInUse, in_use),
];

/// PID_MAX_LIMIT (include/linux/threads.h): no pid_max is above it.
const TOO_HIGH: i32 = 4 << 20;

fn invalid(world: &World) -> Result<Provoked, Trouble> {
    asked(world, Cause::SetTidInvalid, Errno::EINVAL, None, || {
        TOO_HIGH
    })
}

fn in_use(world: &World) -> Result<Provoked, Trouble> {
    asked(world, Cause::SetTidInUse, Errno::EEXIST, None, sys::pid)
}

fn capability(world: &World) -> Result<Provoked, Trouble> {
    let uid = Some(world.fresh_uid()?);
    asked(
        world,
        Cause::CapCheckpointRestore,
        Errno::EPERM,
        uid,
        sys::pid,
    )
}

/// A process, of another user's where one is given, asks for an id.
fn asked(
    world: &World,
    cause: Cause,
    errno: Errno,
    uid: Option<u32>,
    id: impl Fn() -> i32,
) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        if let Some(uid) = uid {
            sys::become_uid(uid)?;
        }
        link.step();
        link.ready([create::attempt_numbered(&[id()]) as u64]);
        Ok(())
    })?;
    let answer = clone3_takes(number(&actor.go()?, 0)?, "ids", "5.5")?;
    refused(answer, errno)?;
    let expected = Expected::new(cause, errno, 1).uid(uid.unwrap_or(0));
    Ok(Provoked::new(expected).keep(actor))
}
