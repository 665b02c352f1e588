//! CLONE_INTO_CGROUP with a folder that is no cgroup.

use std::{fs::File, os::fd::AsRawFd as _};

use super::{Provocation, Provoked, clone3_takes, number, refused};
use crate::{
    model::{Cause, Errno},
    provoke::{Trouble, create},
    selftest::{Actor, expect::Expected, world::World},
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::CloneIntoCgroup, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        let folder = File::open("/proc").map_err(Trouble::at("opening /proc"))?;
        link.step();
        link.ready([create::attempt_into_cgroup(folder.as_raw_fd()) as u64]);
        Ok(())
    })?;
    let answer = clone3_takes(number(&actor.go()?, 0)?, "cgroup", "5.7")?;
    refused(answer, Errno::EBADF)?;
    Ok(Provoked::new(Expected::new(Cause::CloneIntoCgroup, Errno::EBADF, 1)).keep(actor))
}
