//! A memory cgroup at its limit in which the OOM killer finds nobody: all that
//! lives in it has oom_score_adj -1000. The kernel's log gets a report of it.

use std::{fs, ptr};

use super::{Provocation, Provoked, number, refused};
use crate::{
    host::cgroup::{Resource, Version},
    model::{Cause, Errno},
    provoke::{
        Trouble,
        arch::page,
        sys::{self, Mapping},
    },
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[Provocation::own(Cause::CgroupMemoryMax, run)];

/// Room above what is in use when the limit is set, bytes. A task takes about
/// 30 KiB of kernel memory, where pages are of 4 KiB.
fn room() -> u64 {
    128 * page() as u64
}

/// Tasks that are tried at most, and their stacks.
const TASKS: usize = 200;
const STACK: usize = 8192;

fn run(world: &World) -> Result<Provoked, Trouble> {
    // With 2 even a cgroup's own shortage panics (mm/oom_kill.c
    // `check_panic_on_oom`).
    let panic = fs::read_to_string("/proc/sys/vm/panic_on_oom").unwrap_or_default();
    if panic.trim() == "2" {
        return Err(Trouble::Skip(
            "vm.panic_on_oom is 2: the host would panic".to_owned(),
        ));
    }
    let place = world.place(Resource::Memory)?;
    let tree = world.tree(Resource::Memory)?;
    let home = tree.top();
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        // Before moving in: from here on nobody in the cgroup can be killed.
        fs::write("/proc/self/oom_score_adj", "-1000").map_err(|error| {
            Trouble::Skip(format!(
                "writing -1000 to /proc/self/oom_score_adj: {error}"
            ))
        })?;
        home.enter()?;
        let stacks = sys::map((TASKS * STACK) as u64)?;
        // Nothing may be swapped out to make room, nor be missing later.
        sys::lock_present().map_err(Trouble::into_skip)?;
        link.step();
        let errno = share_until_refused(&stacks);
        link.ready([errno as u64]);
        Ok(())
    })?;
    let in_use = home.read(match place.version {
        Version::V2 => "memory.current",
        Version::V1 => "memory.usage_in_bytes",
    })?;
    let room = room();
    let value = (in_use + room).next_multiple_of(page() as u64);
    home.limit(value)?;
    refused(number(&actor.go()?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::CgroupMemoryMax, Errno::ENOMEM, 1).limit(
        Scope::Cgroup(home.shown()),
        Number::Exact(value),
        Number::Between(value.saturating_sub(room), value + room),
    );
    Ok(Provoked::new(expected).keep(actor).keep(tree))
}

/// Creates tasks that share this memory until one is refused; the errno.
/// A copy of the address space would need memory for itself, which a cgroup
/// without any can't give: such a child would fault for ever.
fn share_until_refused(stacks: &Mapping) -> i32 {
    extern "C" fn exist(parent: *mut libc::c_void) -> libc::c_int {
        sys::die_with(parent.addr() as i32);
        sys::sleep_for_ever()
    }
    let parent = sys::pid() as usize;
    for n in 1..=TASKS {
        // SAFETY: the mapping has TASKS stacks, each task's own; `exist` makes
        // system calls only.
        let pid = unsafe {
            libc::clone(
                exist,
                stacks.start().add(n * STACK).cast(),
                libc::CLONE_VM | libc::SIGCHLD,
                ptr::without_provenance_mut(parent),
            )
        };
        if pid < 0 {
            return sys::errno();
        }
    }
    0
}
