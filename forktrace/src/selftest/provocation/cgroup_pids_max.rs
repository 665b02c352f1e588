//! A cgroup with as many tasks as pids.max allows: the caller's own, and its
//! parent.

use super::{Provocation, Provoked, number, refused};
use crate::{
    host::cgroup::Resource,
    model::{Cause, Errno},
    selftest::{
        actor::Actor,
        cgroup::{Cgroup, Tree},
        expect::{Expected, Number, Scope},
        sys,
        trouble::Trouble,
        world::World,
    },
};

pub const ALL: &[Provocation] = &[
    Provocation::own(Cause::CgroupPidsMax, |world| {
        let tree = world.tree(Resource::Pids)?;
        let home = tree.top();
        fill(world, tree, &home, &home)
    }),
    Provocation::own(Cause::CgroupPidsMax, |world| {
        let tree = world.tree(Resource::Pids)?;
        let home = tree.below("home")?;
        let limited = tree.top();
        fill(world, tree, &home, &limited)
    })
    .variant("parent's"),
];

const LIMIT: u64 = 3;

fn fill(world: &World, tree: Tree, home: &Cgroup, limited: &Cgroup) -> Result<Provoked, Trouble> {
    limited.limit(LIMIT)?;
    let (actor, _) = Actor::start(&world.comm, |link| {
        home.enter()?;
        link.tell(&[]);
        let (made, errno) = sys::fill(LIMIT);
        link.tell(&[made, errno as u64]);
        Ok(())
    })?;
    let told = actor.go()?;
    refused(number(&told, 1)?, Errno::EAGAIN)?;
    let usage = number(&told, 0)? + 1;
    if usage != LIMIT {
        return Err(Trouble::Odd(format!(
            "it was refused with {usage} tasks under a limit of {LIMIT}"
        )));
    }
    let expected = Expected::new(Cause::CgroupPidsMax, Errno::EAGAIN, 1).limit(
        Scope::Cgroup(limited.tail()),
        Number::Exact(LIMIT),
        Number::Exact(LIMIT),
    );
    Ok(Provoked::new(expected).keep(actor).keep(tree))
}
