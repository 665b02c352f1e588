//! The copy of an address space that is more than may be promised: by the
//! heuristic (mode 0), and by the strict policy (mode 2).

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    host::limits::HostNow,
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, setting::Setting, sys},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::host(Cause::Overcommit, heuristic).variant("heuristic"),
    Provocation::host(Cause::Overcommit, strict).variant("strict"),
];

const MODE: &str = "vm/overcommit_memory";
const KBYTES: &str = "vm/overcommit_kbytes";
const MIB: u64 = 1 << 20;

/// Total memory and total swap, bytes.
fn there_is() -> Result<(u64, u64), Trouble> {
    let now = HostNow::read();
    match (now.mem_total, now.swap_total) {
        (Some(memory), Some(swap)) => Ok((memory * 1024, swap * 1024)),
        _ => Err(Trouble::Skip(
            "/proc/meminfo has no MemTotal and SwapTotal".to_owned(),
        )),
    }
}

/// A process with a mapping of so many bytes, not touched, which then tries to
/// fork once.
fn large(world: &World, bytes: u64) -> Result<Actor, Trouble> {
    let (actor, _) = Actor::start(&world.comm, |link| {
        sys::map(bytes).map_err(Trouble::into_skip)?;
        link.step();
        link.ready([create::attempt(0) as u64]);
        Ok(())
    })?;
    Ok(actor)
}

/// One mapping of more than there is memory and swap, made while everything is
/// allowed: nobody else has the like.
fn heuristic(world: &World) -> Result<Provoked, Trouble> {
    let (memory, swap) = there_is()?;
    let mode = Setting::keep(&world.undo, MODE)?;
    mode.change(1)?;
    let mut actor = large(world, (memory + swap) / 2 * 3)?;
    mode.change(0)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::Overcommit, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::Host),
        Number::Any,
        Number::Any,
    );
    Ok(Provoked::new(expected).keep(mode).keep(actor))
}

/// A mapping so large that half of it is room enough for everybody else.
fn strict(world: &World) -> Result<Provoked, Trouble> {
    let (memory, swap) = there_is()?;
    let promised = || HostNow::read().committed.unwrap_or(0) * 1024;
    // CommitLimit can't be set below the swap.
    let bytes = (memory / 2)
        .clamp(128 * MIB, 16 << 30)
        .max((swap + 64 * MIB).saturating_sub(promised()) * 2);
    let mode = Setting::keep(&world.undo, MODE)?;
    let limit = keep_commit_limit(world)?;
    let mut actor = large(world, bytes)?;
    let before = promised();
    let kbytes = (before + bytes / 2).saturating_sub(swap) / 1024;
    limit.change_other(KBYTES, kbytes)?;
    mode.change(2)?;
    let value = HostNow::read().commit_limit.unwrap_or(0) * 1024;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::ENOMEM)?;
    // The kernel's own count is exact to a batch for each processor, and
    // others go on.
    let slack = bytes / 2;
    let expected = Expected::new(Cause::Overcommit, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::Host),
        Number::Exact(value),
        Number::Between(before.saturating_sub(slack), before + bytes + slack),
    );
    // The mode first: the limit means nothing without.
    Ok(Provoked::new(expected).keep(mode).keep(limit).keep(actor))
}

/// What CommitLimit is made of. The kernel keeps the one of the two that was
/// written last and sets the other to 0, so just that one may be written back.
fn keep_commit_limit(world: &World) -> Result<Setting, Trouble> {
    match HostNow::read().overcommit_kbytes {
        None | Some(0) => Setting::keep(&world.undo, "vm/overcommit_ratio"),
        Some(_) => Setting::keep(&world.undo, KBYTES),
    }
}
