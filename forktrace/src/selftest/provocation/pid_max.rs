//! No process id left: in a pid namespace with a pid_max of its own (Linux
//! 6.14+), and on the whole host.

use std::{fs, io, path::Path};

use super::{Provocation, Provoked, SHORT, inode, number, refused};
use crate::{
    evidence::RESERVED_PIDS,
    model::{Cause, Errno, Owner},
    selftest::{
        actor::{Actor, Link},
        expect::{Expected, Number, Scope},
        sys,
        trouble::Trouble,
        undo::Setting,
        world::World,
    },
};

pub const ALL: &[Provocation] = &[
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
    // SAFETY: takes a number only.
    let processors = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    let listed = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
    let last = listed
        .trim()
        .rsplit(['-', ','])
        .next()
        .and_then(|n| n.parse::<u64>().ok())
        .map_or(0, |n| n + 1);
    let processors = u64::try_from(processors).unwrap_or(1).max(last);
    let value = (8 * processors + 1).max(RESERVED_PIDS + ROOM);
    if value > MOST {
        return Err(Trouble::Skip(format!(
            "with {processors} processors it would take {value} processes"
        )));
    }
    Ok(value)
}

/// Moves the namespace's cursor past the ids that are given out once only, so
/// that only the others are left.
fn pass_reserved_ids() -> Result<(), Trouble> {
    for _ in 0..=RESERVED_PIDS {
        match sys::fork(0) {
            Ok(None) => sys::exit(0),
            Ok(Some(pid)) => {
                sys::reap(pid);
                if pid as u64 > RESERVED_PIDS {
                    return Ok(());
                }
            }
            Err(errno) => {
                return Err(Trouble::at("using ids up")(io::Error::from_raw_os_error(
                    errno,
                )));
            }
        }
    }
    Err(Trouble::Odd(format!("the ids stay below {RESERVED_PIDS}")))
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
    let (actor, told) = Actor::start(&world.comm, |link| in_namespace(link, value))?;
    drop(host);
    refused(number(&told, 1)?, Errno::EAGAIN)?;
    let inum = inode(&told, 2)?;
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
    sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID").map_err(Trouble::into_skip)?;
    if let Some(init) = sys::fork_on("starting the namespace's init")? {
        // The link is the child's now.
        sys::close_from(3);
        sys::reap(init);
        sys::exit(0);
    }
    sys::die_with_parent();
    sys::mount("proc", Path::new("/proc"), "proc", 0).map_err(Trouble::into_skip)?;
    fs::write(PID_MAX, value.to_string())
        .map_err(Trouble::at(format!("writing {value} to {PID_MAX}")))
        .map_err(Trouble::into_skip)?;
    pass_reserved_ids()?;
    let (made, errno) = sys::fill(value);
    link.tell(&[made, errno as u64, sys::namespace("pid")?]);
    Ok(())
}

/// The ids that will be left are taken while there are others, so that the
/// host goes without for one attempt only.
fn host(world: &World) -> Result<Provoked, Trouble> {
    let value = small_pid_max()?;
    let (actor, _) = Actor::start(&world.comm, |link| {
        pass_reserved_ids()?;
        for pid in RESERVED_PIDS..value {
            match sys::sleeper_numbered(pid as i32) {
                Ok(_) => {}
                Err(libc::EEXIST) => {}
                Err(errno) => {
                    return Err(Trouble::at("taking an id by clone3(2) set_tid")(
                        io::Error::from_raw_os_error(errno),
                    ));
                }
            }
        }
        link.tell(&[]);
        // What ends meanwhile leaves an id.
        let (_, errno) = sys::fill(value);
        link.tell(&[errno as u64]);
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
