//! A task under SCHED_DEADLINE, which may not create another.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno},
    selftest::{actor::Actor, expect::Expected, sys, trouble::Trouble, world::World},
};

pub const ALL: &[Provocation] = &[Provocation::own(Cause::SchedDeadline, run)];

fn run(world: &World) -> Result<Provoked, Trouble> {
    let (actor, _) = Actor::start(&world.comm, |link| {
        become_deadline().map_err(Trouble::into_skip)?;
        link.tell(&[]);
        link.tell(&[sys::attempt(0) as u64]);
        Ok(())
    })?;
    refused(number(&actor.go()?, 0)?, Errno::EAGAIN)?;
    Ok(Provoked::new(Expected::new(Cause::SchedDeadline, Errno::EAGAIN, 1)).keep(actor))
}

/// SCHED_DEADLINE for the calling thread: 1 ms in every 100 ms, so that a host
/// with deadline tasks of its own has room for it.
fn become_deadline() -> Result<(), Trouble> {
    /// `struct sched_attr` (include/uapi/linux/sched/types.h), first version.
    #[repr(C)]
    #[derive(Default)]
    struct SchedAttr {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }
    let attr = SchedAttr {
        size: size_of::<SchedAttr>() as u32,
        policy: 6,
        runtime: 1_000_000,
        deadline: 100_000_000,
        period: 100_000_000,
        ..SchedAttr::default()
    };
    // SAFETY: the struct says its own size.
    let answer = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    sys::check(answer, "sched_setattr(SCHED_DEADLINE)")?;
    Ok(())
}
