//! Namespaces nested as deep as the kernel allows: user namespaces, and pid
//! namespaces.

use std::fs;

use super::{Provocation, Provoked, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{Trouble, create, sys},
    selftest::{
        Actor, Link,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const USER: &[Provocation] = &[Provocation::own(Cause::UserNamespaceLevel, |world| {
    let (cause, nested, flag) = (Cause::UserNamespaceLevel, USERS, libc::CLONE_NEWUSER);
    too_deep(world, cause, nested, flag, enter_user_namespace)
})];

pub(super) const PID: &[Provocation] = &[Provocation::own(Cause::PidNamespaceLevel, |world| {
    let (cause, nested, flag) = (Cause::PidNamespaceLevel, PIDS, libc::CLONE_NEWPID);
    too_deep(world, cause, nested, flag, enter_pid_namespace)
})];

/// kernel/user_namespace.c `create_user_ns`: the parent's level may be 32.
const USERS: u64 = 33;
/// MAX_PID_NS_LEVEL, include/linux/pid_namespace.h.
const PIDS: u64 = 32;

fn too_deep(
    world: &World,
    cause: Cause,
    nested: u64,
    flag: i32,
    enter: fn() -> Result<(), Trouble>,
) -> Result<Provoked, Trouble> {
    let nest = |link: &Link| {
        for _ in 0..nested {
            // Refused early where this is not the outermost of them.
            enter().map_err(Trouble::into_skip)?;
        }
        link.step();
        link.ready([create::attempt(flag) as u64]);
        Ok(())
    };
    let (mut actor, _) = Actor::start(&world.comm, nest)?;
    refused(number(&actor.go()?, 0)?, Errno::ENOSPC)?;
    let expected = Expected::new(cause, Errno::ENOSPC, 1).limit(
        Scope::Exact(Owner::Process),
        Number::Exact(nested),
        Number::Exact(nested),
    );
    Ok(Provoked::new(expected).keep(actor))
}

/// Goes on in a user namespace of its own, root there too.
fn enter_user_namespace() -> Result<(), Trouble> {
    sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
    // gid_map may not be there to be written otherwise (user_namespaces(7)).
    let denied = fs::write("/proc/self/setgroups", "deny");
    drop(denied);
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        fs::write(file, "0 0 1").map_err(Trouble::at(format!("writing {file}")))?;
    }
    Ok(())
}

/// Goes on as the first process of a pid namespace, which ends with it.
fn enter_pid_namespace() -> Result<(), Trouble> {
    sys::enter_pid_namespace(0)?;
    Ok(())
}
