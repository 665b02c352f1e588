//! Limits of the process: on its addresses, on its data, on what it locks.

use anyhow::Result;
use forktrace::provoke::sys::{self, Resource};

use super::caller::{
    MIB, Rlimit, WantedRefusal, bare, caller, fire, granted, guarded, huge, thread,
};
use crate::attempt::Kind;
use crate::expect::Number;
use crate::scenario::{Place, Run};

/// A caller that does `limits` is refused by `limit`, whose value they answer.
fn refused_by(
    run: &mut Run,
    limit: &Rlimit,
    wanted: &WantedRefusal,
    limits: impl Fn() -> Result<u64>,
) -> Result<()> {
    let caller = caller(wanted, limit.usage, limits)?;
    fire(
        run,
        wanted,
        caller,
        limit.cause,
        limit.errno,
        |value, usage| limit.wanted(Number::Exact(value), Number::Exact(usage)),
    )
}

pub(super) fn address_space(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack) in [
        ("stas-root", 0, guarded(21)),
        ("stas-user", place.uid(70), guarded(13)),
        ("stas-bare", 0, bare(37)),
    ] {
        let wanted = WantedRefusal::of(comm, stack, Kind::StackMmap).uid(uid);
        refused_by(&mut run, &Rlimit::AS, &wanted, || {
            Rlimit::AS.leave_room(stack.bytes - MIB)
        })?;
    }
    Ok(run)
}

/// More in a second than travel in full: the rest is counted, exactly.
pub(super) fn storm(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, kind, limit) in [
        ("ststorm-map", Kind::StackMmap, Rlimit::AS),
        ("ststorm-prot", Kind::StackMprotect, Rlimit::DATA),
    ] {
        let wanted = WantedRefusal::of(comm, guarded(9), kind).times(77);
        refused_by(&mut run, &limit, &wanted, || limit.leave_room(5 * MIB))?;
    }
    Ok(run)
}

pub(super) fn data(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack, soft_0) in [
        ("stdata-root", 0, guarded(11), false),
        ("stdata-user", place.uid(71), guarded(19), false),
        ("stdata-bare", 0, bare(7), false),
        // The hard limit holds then ("workaround for Valgrind").
        ("stdata-soft0", 0, guarded(15), true),
    ] {
        let kind = if stack.guard {
            Kind::StackMprotect
        } else {
            Kind::StackMmap
        };
        let wanted = WantedRefusal::of(comm, stack, kind).uid(uid);
        refused_by(&mut run, &Rlimit::DATA, &wanted, || {
            let value = Rlimit::DATA.leave_room(3 * MIB)?;
            if soft_0 {
                sys::limit(Resource::Data, 0, value)?;
            }
            Ok(value)
        })?;
    }
    Ok(run)
}

/// Everything that is mapped from now on is locked, up to `room` bytes.
fn lock_future(room: u64) -> Result<u64> {
    let value = Rlimit::MEMLOCK.leave_room(room)?;
    sys::lock_future()?;
    Ok(value)
}

/// Root has CAP_IPC_LOCK, and its threads are created.
pub(super) fn memlock(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack) in [
        ("stlock-user", place.uid(72), guarded(6)),
        ("stlock-bare", place.uid(73), bare(4)),
    ] {
        let wanted = WantedRefusal::of(comm, stack, Kind::StackMmap).uid(uid);
        refused_by(&mut run, &Rlimit::MEMLOCK, &wanted, || lock_future(2 * MIB))?;
    }
    granted(&mut run, "stlock-root", |link| {
        lock_future(2 * MIB)?;
        link.step();
        link.ready(vec![thread(guarded(6))]);
        Ok(())
    })?;
    Ok(run)
}

/// RLIMIT_MEMLOCK and RLIMIT_AS: the first is asked first.
pub(super) fn first_memlock(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = WantedRefusal::of("st1st-lock", guarded(8), Kind::StackMmap)
        .uid(place.uid(77))
        .candidate(&Rlimit::AS);
    refused_by(&mut run, &Rlimit::MEMLOCK, &wanted, || {
        Rlimit::AS.leave_room(6 * MIB)?;
        lock_future(MIB)
    })?;
    Ok(run)
}

/// RLIMIT_AS and RLIMIT_DATA, of a stack without guard.
pub(super) fn first_address_space(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = WantedRefusal::of("st1st-as", bare(14), Kind::StackMmap).candidate(&Rlimit::DATA);
    refused_by(&mut run, &Rlimit::AS, &wanted, || {
        Rlimit::DATA.leave_room(6 * MIB)?;
        Rlimit::AS.leave_room(9 * MIB)
    })?;
    Ok(run)
}

/// RLIMIT_DATA and overcommit, in mprotect.
pub(super) fn first_data(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = WantedRefusal::of("st1st-data", huge(true)?, Kind::StackMprotect);
    refused_by(&mut run, &Rlimit::DATA, &wanted, || {
        Rlimit::DATA.leave_room(64 * MIB)
    })?;
    Ok(run)
}
