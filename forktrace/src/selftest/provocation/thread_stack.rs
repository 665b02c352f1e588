//! A thread's stack that can't be mapped: by RLIMIT_AS, RLIMIT_DATA,
//! RLIMIT_MEMLOCK, and vm.max_map_count. No thread is ever asked for: what
//! pthread_create(3) would do before it is enough.

use std::{fs::File, io::Read as _, ptr};

use super::{Provocation, Provoked, SHORT, number, refused};
use crate::{
    model::{Cause, Errno, Owner},
    provoke::{
        Trouble,
        arch::page,
        setting::Setting,
        sys::{self, Resource},
    },
    selftest::{
        Actor,
        expect::{Expected, Number, Scope},
        world::World,
    },
};

pub(super) const ALL: &[Provocation] = &[
    Provocation::host(Cause::MaxMapCount, mappings),
    Provocation::own(Cause::RlimitMemlock, |world| limited(world, &MEMLOCK)),
    Provocation::own(Cause::RlimitAs, |world| limited(world, &AS)),
    Provocation::own(Cause::RlimitData, |world| limited(world, &DATA)),
];

const MIB: u64 = 1 << 20;
/// The stack that is asked for, and what is left below the limit.
const STACK: u64 = 8 * MIB;
const ROOM: u64 = 3 * MIB;

/// A limit of a process on its memory.
struct Rlimit {
    cause: Cause,
    which: Resource,
    /// The line of /proc/self/status that is compared with it.
    usage: &'static str,
    errno: Errno,
    /// Root is exempt: another user is refused, who locks what it maps.
    locked: bool,
}

const AS: Rlimit = Rlimit {
    cause: Cause::RlimitAs,
    which: Resource::As,
    usage: "VmSize",
    errno: Errno::ENOMEM,
    locked: false,
};
const DATA: Rlimit = Rlimit {
    cause: Cause::RlimitData,
    which: Resource::Data,
    usage: "VmData",
    errno: Errno::ENOMEM,
    locked: false,
};
const MEMLOCK: Rlimit = Rlimit {
    cause: Cause::RlimitMemlock,
    which: Resource::Memlock,
    usage: "VmLck",
    errno: Errno::EAGAIN,
    locked: true,
};

fn limited(world: &World, limit: &Rlimit) -> Result<Provoked, Trouble> {
    let uid = match limit.locked {
        true => world.fresh_uid()?,
        false => 0,
    };
    let (mut actor, report) = Actor::start(&world.comm, |link| {
        let none = sys::INFINITY;
        // Whatever the host sets: only one limit is to be reached.
        for other in [&AS, &DATA] {
            sys::limit(other.which, none, none).map_err(Trouble::into_skip)?;
        }
        // Not a limit on what isn't locked; where it can't be lifted, what
        // there is may do.
        let lifted = sys::limit(MEMLOCK.which, none, none);
        drop(lifted);
        if limit.locked {
            sys::become_uid(uid)?;
        }
        // Not a whole number of pages: the kernel compares pages.
        let value = status(limit.usage)? + ROOM + 123;
        sys::limit(limit.which, value, value).map_err(Trouble::into_skip)?;
        if limit.locked {
            sys::lock_future().map_err(Trouble::into_skip)?;
        }
        link.ready([value]);
        let usage = status(limit.usage)?;
        let errno = stack(STACK).err().unwrap_or(0);
        link.ready([errno as u64, usage]);
        Ok(())
    })?;
    let after = actor.go()?;
    refused(number(&after, 0)?, limit.errno)?;
    let expected = Expected::new(limit.cause, limit.errno, 1).uid(uid).limit(
        Scope::Exact(Owner::Process),
        Number::Exact(number(&report, 0)?),
        Number::Exact(number(&after, 1)?),
    );
    Ok(Provoked::new(expected).keep(actor))
}

/// What pthread_create(3) does before it asks for a thread: mmap of the stack
/// with a guard below, then mprotect of the stack. The errno when either is
/// refused. What is granted stays.
fn stack(bytes: u64) -> Result<(), i32> {
    let guard = page() as u64;
    // SAFETY: a new mapping, nothing that exists is touched; then a part of it.
    unsafe {
        let at = libc::mmap(
            ptr::null_mut(),
            (bytes + guard) as usize,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_STACK,
            -1,
            0,
        );
        if at == libc::MAP_FAILED {
            return Err(sys::errno());
        }
        let stack = at.byte_add(guard as usize);
        match libc::mprotect(stack, bytes as usize, libc::PROT_READ | libc::PROT_WRITE) {
            0 => Ok(()),
            _ => Err(sys::errno()),
        }
    }
}

/// A line of /proc/self/status in kB, as bytes; read without asking for memory,
/// which would change it.
fn status(name: &str) -> Result<u64, Trouble> {
    let doing = "reading /proc/self/status";
    let mut buffer = [0u8; 4096];
    let length = File::open("/proc/self/status")
        .and_then(|mut file| file.read(&mut buffer))
        .map_err(Trouble::at(doing))?;
    std::str::from_utf8(&buffer[..length])
        .ok()
        .and_then(|text| {
            let mut lines = text.lines();
            let rest = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()
        })
        .map(|kb| kb * 1024)
        .ok_or_else(|| Trouble::Odd(format!("{doing}: no {name}")))
}

/// So many mappings that hardly anybody else has as many.
const PAIRS: usize = 15_000;

/// The setting goes below what one process has, for one attempt.
fn mappings(world: &World) -> Result<Provoked, Trouble> {
    let setting = Setting::keep(&world.undo, "vm/max_map_count")?;
    let (mut actor, _) = Actor::start(&world.comm, |link| {
        sys::map_many(PAIRS).map_err(Trouble::into_skip)?;
        link.step();
        let errno = stack(STACK).err().unwrap_or(0);
        link.ready([errno as u64]);
        Ok(())
    })?;
    let pairs = PAIRS as u64;
    let value = 2 * pairs - 9;
    setting.change(value)?;
    refused(number(&actor.go_within(SHORT)?, 0)?, Errno::ENOMEM)?;
    let expected = Expected::new(Cause::MaxMapCount, Errno::ENOMEM, 1).limit(
        Scope::Exact(Owner::Process),
        Number::Exact(value),
        Number::Between(2 * pairs - 2, 2 * pairs + 1000),
    );
    Ok(Provoked::new(expected).keep(setting).keep(actor))
}
