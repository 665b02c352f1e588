//! A user with as many tasks as RLIMIT_NPROC allows, and one in a user
//! namespace whose creator's limit is the smaller.

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{Trouble, sleeper, sys},
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::own(Cause::RlimitNproc, plain),
    Provocation::own(Cause::RlimitNproc, nested).variant("user namespace"),
];

/// The limit of the plain user, and of a namespace's creator.
const LIMIT: u64 = 3;
/// The caller's own limit within the namespace.
const OWN: u64 = 6;

fn plain(world: &World) -> Result<Provoked, Trouble> {
    let uid = world.fresh_uid()?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::limit_nproc(LIMIT, LIMIT)?;
        sys::become_uid(uid)?;
        link.step();
        let (made, errno) = sleeper::fill(LIMIT);
        link.ready([made, errno as u64]);
        Ok(())
    })?;
    let report = actor.go()?;
    refused(number(&report, 1)?, Errno::EAGAIN)?;
    let usage = number(&report, 0)? + 1;
    if usage != LIMIT {
        return Err(Trouble::Odd(format!(
            "uid {uid} was refused with {usage} tasks under a limit of {LIMIT}"
        )));
    }
    let expected = Expected::new(Cause::RlimitNproc, Errno::EAGAIN, 1)
        .uid(uid)
        .limit(
            Scope::Exact(Owner::user(uid)),
            Number::Exact(LIMIT),
            Number::Exact(LIMIT),
        );
    Ok(Provoked::new(expected).keep(actor))
}

fn nested(world: &World) -> Result<Provoked, Trouble> {
    let uid = world.fresh_uid()?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::limit_nproc(LIMIT, OWN)?;
        sys::become_uid(uid)?;
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER").map_err(|trouble| {
            Trouble::Skip(format!("an unprivileged user may not do this: {trouble}"))
        })?;
        sys::limit_nproc(OWN, OWN)?;
        link.step();
        let (made, errno) = sleeper::fill(OWN);
        link.ready([made, errno as u64]);
        Ok(())
    })?;
    let report = actor.go()?;
    refused(number(&report, 1)?, Errno::EAGAIN)?;
    // The creator's limit counts since Linux 5.14; before, only the own one.
    let usage = number(&report, 0)? + 1;
    let scope = match usage {
        LIMIT => Scope::UserNamespace,
        OWN => Scope::Exact(Owner::user(uid)),
        _ => {
            return Err(Trouble::Odd(format!(
                "uid {uid} was refused with {usage} tasks under limits of {LIMIT} and {OWN}"
            )));
        }
    };
    let expected = Expected::new(Cause::RlimitNproc, Errno::EAGAIN, 1)
        .uid(uid)
        .limit(scope, Number::Exact(usage), Number::Exact(usage));
    Ok(Provoked::new(expected).keep(actor))
}
