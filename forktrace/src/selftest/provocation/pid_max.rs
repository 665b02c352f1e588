//! No process id left: in a pid namespace with a pid_max of its own (Linux
//! 6.14+), and on the whole host.

use std::{fs, path::Path};

use super::{Provocation, Provoked, SHORT, inode, number, refused};
use crate::{
    evidence::RESERVED_PIDS,
    model::{Cause, Errno, Owner},
    provoke::{Trouble, setting::Setting, sleeper, sys},
    selftest::{
        Actor, Link,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::own(Cause::PidMax, namespace).variant("pid namespace"),
    Provocation::host(Cause::PidMax, host),
];

const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// Ids to use up.
const ROOM: u64 = 10;
/// Processes that may be needed at most.
const MOST: u64 = 4096;

/// The smallest pid_max that the kernel is sure to take (kernel/pid.c
/// `pid_idr_init`: 8 for each possible processor), with some room.
fn small_pid_max() -> Result<u64, Trouble> {
    let listed = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let processors = listed
        .trim()
        .rsplit(['-', ','])
        .next()
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(1, |n| n + 1);
    let value = (8 * processors + 1).max(RESERVED_PIDS + ROOM);
    if value > MOST {
        return Err(Trouble::Skip(format!(
            "with {processors} processors it would take {value} processes"
        )));
    }
    Ok(value)
}

fn namespace(world: &World) -> Result<Provoked, Trouble> {
    // Up to 6.13 the same file inside a pid namespace is the host's.
    if sys::kernel() < (6, 14) {
        return Err(Trouble::Skip(
            "one pid_max for every pid namespace before Linux 6.14".to_owned(),
        ));
    }
    let value = small_pid_max()?;
    // Should this kernel have one for all after all, it comes back.
    let host = Setting::keep(&world.undo, "kernel/pid_max")?;
    let (actor, report) = Actor::start(&world.comm, |link| in_namespace(link, value))?;
    drop(host);
    refused(number(&report, 1)?, Errno::EAGAIN)?;
    let inum = inode(&report, 2)?;
    let expected = Expected::new(Cause::PidMax, Errno::EAGAIN, 1).limit(
        Scope::Exact(Owner::PidNamespace { inum }),
        Number::Exact(value),
        // All that can be given: its own id, 1, and the others below 300 don't count.
        Number::Exact(value - RESERVED_PIDS),
    );
    Ok(Provoked::new(expected).keep(actor))
}

/// Goes on as the first process of a pid namespace, which ends with it.
fn in_namespace(link: &Link, value: u64) -> Result<(), Trouble> {
    sys::own_mounts().map_err(Trouble::into_skip)?;
    sys::enter_pid_namespace(0).map_err(Trouble::into_skip)?;
    sys::mount("proc", Path::new("/proc"), "proc", "").map_err(Trouble::into_skip)?;
    fs::write(PID_MAX, value.to_string())
        .map_err(Trouble::at(format!("writing {value} to {PID_MAX}")))
        .map_err(Trouble::into_skip)?;
    sleeper::pass_reserved_ids()?;
    let (made, errno) = sleeper::fill(value);
    link.ready([made, errno as u64, sys::namespace("pid")?]);
    Ok(())
}

/// The ids that will be left are taken while there are others, so that the
/// host goes without for one attempt only.
fn host(world: &World) -> Result<Provoked, Trouble> {
    let value = small_pid_max()?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sleeper::pass_reserved_ids()?;
        for pid in RESERVED_PIDS..value {
            match sleeper::sleeper_numbered(pid as i32) {
                Ok(_) => {}
                Err(libc::EEXIST) => {}
                Err(errno) => {
                    return Err(Trouble::errno("taking an id by clone3(2) set_tid", errno));
                }
            }
        }
        link.step();
        // What ends meanwhile leaves an id.
        let (_, errno) = sleeper::fill(value);
        link.ready([errno as u64]);
        Ok(())
    })?;
    let setting = Setting::keep(&world.undo, "kernel/pid_max")?;
    setting.change(value)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::EAGAIN)?;
    let expected = Expected::new(Cause::PidMax, Errno::EAGAIN, 1)
        .limit(
            Scope::Exact(Owner::Host),
            Number::Exact(value),
            Number::AtLeast(value - RESERVED_PIDS),
        )
        // Ids that somebody has.
        .aside(Cause::SetTidInUse);
    Ok(Provoked::new(expected).keep(setting).keep(actor))
}
