//! A cgroup with as many tasks as pids.max allows: the caller's own, and its
//! parent.

use super::{Provocation, Provoked, number, refused};
use crate::{
    host::cgroup::Resource,
    model::{Cause, Errno},
    provoke::{
        Trouble,
        cgroup::{Cgroup, Tree},
        sleeper,
    },
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::own(Cause::CgroupPidsMax, |world| {
        let tree = world.tree(Resource::Pids)?;
        let home = tree.top();
        fill(world, tree, &home, &home)
    }),
    Provocation::own(Cause::CgroupPidsMax, |world| {
        let tree = world.tree(Resource::Pids)?;
        let home = tree.at(&["home"])?;
        let limited = tree.top();
        fill(world, tree, &home, &limited)
    })
    .variant("parent's"),
];

const LIMIT: u64 = 3;

fn fill(world: &World, tree: Tree, home: &Cgroup, limited: &Cgroup) -> Result<Provoked, Trouble> {
    limited.limit(LIMIT)?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        home.enter()?;
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
            "it was refused with {usage} tasks under a limit of {LIMIT}"
        )));
    }
    let expected = Expected::new(Cause::CgroupPidsMax, Errno::EAGAIN, 1).limit(
        Scope::Cgroup(limited.shown()),
        Number::Exact(LIMIT),
        Number::Exact(LIMIT),
    );
    Ok(Provoked::new(expected).keep(actor).keep(tree))
}
