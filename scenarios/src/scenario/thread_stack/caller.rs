//! Callers of pthread_create(3), the limits they set themselves, and what is
//! expected of their refusals.

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Resource};
use forktrace::record::{Errno, Unit};

use crate::actor::{Actor, Link, Report};
use crate::arch::page;
use crate::attempt::{Attempt, Kind};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::machine;
use crate::pthread::{self, Stack, guard};
use crate::scenario::{Run, must_succeed};

pub(super) const MIB: u64 = 1 << 20;

pub(super) fn guarded(mib: u64) -> Stack {
    Stack {
        bytes: mib * MIB,
        guard: true,
    }
}

pub(super) fn bare(mib: u64) -> Stack {
    Stack {
        bytes: mib * MIB,
        guard: false,
    }
}

/// One stack that is larger than RAM and swap, by half.
pub(super) fn huge(guard: bool) -> Result<Stack> {
    let there = machine::meminfo("MemTotal")? + machine::meminfo("SwapTotal")?;
    let page = page() as u64;
    Ok(Stack {
        bytes: there / 2 * 3 / page * page,
        guard,
    })
}

/// Asks for a thread. The kind is that of most refusals; one that is granted
/// has none.
pub(super) fn thread(stack: Stack) -> Attempt {
    Attempt {
        kind: Kind::StackMmap,
        tid: sys::tid(),
        errno: pthread::create(stack),
    }
}

/// A resource limit on a process's memory.
pub(super) struct Rlimit {
    which: Resource,
    name: &'static str,
    /// Line of /proc/self/status that the limit is compared with.
    pub usage: &'static str,
    pub cause: Cause,
    /// What the refused call answers.
    pub errno: Errno,
}

impl Rlimit {
    pub(super) const AS: Self = Self {
        which: Resource::As,
        name: "RLIMIT_AS",
        usage: "VmSize",
        cause: Cause::RlimitAs,
        errno: Errno::ENOMEM,
    };
    pub(super) const DATA: Self = Self {
        which: Resource::Data,
        name: "RLIMIT_DATA",
        usage: "VmData",
        cause: Cause::RlimitData,
        errno: Errno::ENOMEM,
    };
    pub(super) const MEMLOCK: Self = Self {
        which: Resource::Memlock,
        name: "RLIMIT_MEMLOCK",
        usage: "VmLck",
        cause: Cause::RlimitMemlock,
        errno: Errno::EAGAIN,
    };

    /// Sets the limit so that `room` more bytes fit under it, and answers its
    /// value. No whole number of pages: the kernel compares pages.
    pub(super) fn leave_room(&self, room: u64) -> Result<u64> {
        let value = pthread::status(self.usage)? + room + 123;
        sys::limit(self.which, value, value)?;
        Ok(value)
    }

    /// The limit in a record, in bytes.
    pub(super) fn wanted(&self, value: Number, usage: Number) -> WantedLimit {
        of_process(self.name, value, usage, Unit::Bytes)
    }
}

/// A limit of the process.
pub(super) fn of_process(
    name: &'static str,
    value: Number,
    usage: Number,
    unit: Unit,
) -> WantedLimit {
    WantedLimit {
        name: Some(name),
        scope: Scope::Exact("process".to_owned()),
        value,
        usage,
        unit: Some(unit),
        file: None,
    }
}

/// A refusal that a caller is to meet.
pub(super) struct WantedRefusal {
    comm: &'static str,
    uid: u32,
    stack: Stack,
    /// The refused call.
    kind: Kind,
    count: u32,
    /// Another limit that has to be among the candidates.
    candidate: Option<WantedLimit>,
}

impl WantedRefusal {
    /// Once, by root.
    pub(super) fn of(comm: &'static str, stack: Stack, kind: Kind) -> Self {
        Self {
            comm,
            uid: 0,
            stack,
            kind,
            count: 1,
            candidate: None,
        }
    }

    pub(super) fn uid(mut self, uid: u32) -> Self {
        self.uid = uid;
        self
    }

    pub(super) fn times(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// A limit that would have refused the call as well.
    pub(super) fn candidate(mut self, limit: &Rlimit) -> Self {
        self.candidate = Some(limit.wanted(Number::Any, Number::Any));
        self
    }

    /// What the refused call asks for.
    fn requested(&self) -> u64 {
        match self.kind {
            Kind::StackMmap if self.stack.guard => self.stack.bytes + guard(),
            _ => self.stack.bytes,
        }
    }
}

/// A caller that has done `limits`, whose answer is the limit's value. Right
/// before it asks it measures `usage`, a line of /proc/self/status.
pub(super) fn caller(
    wanted: &WantedRefusal,
    usage: &str,
    limits: impl Fn() -> Result<u64>,
) -> Result<(Actor, u64)> {
    let (actor, report) = Actor::start(wanted.comm, |link| {
        // Up to 5.15 a user may lock 64 KiB only (MLOCK_LIMIT, include/uapi/linux/resource.h).
        // Where it may not be raised, what there is will do, or lowering it fails.
        let _ = sys::limit(Resource::Memlock, sys::INFINITY, sys::INFINITY);
        sys::become_uid(wanted.uid)?;
        let mut all = Vec::with_capacity(wanted.count as usize);
        // What pthread_create sets up once.
        ensure!(
            pthread::create(Stack {
                // PTHREAD_STACK_MIN of arm64, which has the largest.
                bytes: 128 << 10,
                guard: true
            }) == 0,
            "a first thread was refused"
        );
        pthread::status(usage)?;
        let value = limits()?;
        link.ready(vec![value]);
        let usage = pthread::status(usage)?;
        for _ in 0..wanted.count {
            all.push(Attempt {
                kind: wanted.kind,
                ..thread(wanted.stack)
            });
        }
        link.ready(Report {
            attempts: all,
            numbers: vec![usage],
        });
        Ok(())
    })?;
    Ok((actor, report.numbers.first().copied().unwrap_or(0)))
}

/// The caller asks and is refused; `limit` has the value and the usage to make
/// the record's limit of.
pub(super) fn fire(
    run: &mut Run,
    wanted: &WantedRefusal,
    (mut actor, value): (Actor, u64),
    cause: Cause,
    errno: Errno,
    limit: impl Fn(u64, u64) -> WantedLimit,
) -> Result<()> {
    let report = actor.go()?;
    let usage = report.numbers.first().copied().unwrap_or(0);
    expect_all(run, actor, &report.attempts, cause, |e| Expect {
        errno,
        requested: Some(wanted.requested()),
        candidate: wanted.candidate.clone(),
        ..e.uid(wanted.uid).limit(limit(value, usage))
    })
}

/// All attempts were refused, and each is given this cause.
pub(super) fn expect_all(
    run: &mut Run,
    actor: Actor,
    attempts: &[Attempt],
    cause: Cause,
    adapt: impl Fn(Expect) -> Expect,
) -> Result<()> {
    must_be_refused(attempts)?;
    for attempt in attempts {
        run.expects.push(adapt(Expect::of(&actor, attempt, cause)));
    }
    run.keep(actor);
    Ok(())
}

/// Whatever refuses the stack, pthread_create(3) answers EAGAIN.
pub(super) fn must_be_refused(attempts: &[Attempt]) -> Result<()> {
    for attempt in attempts {
        ensure!(
            attempt.errno == libc::EAGAIN,
            "pthread_create answered {}",
            attempt.errno
        );
    }
    Ok(())
}

/// A caller of which there may be no record; answers its attempts.
pub(super) fn unrecorded(
    run: &mut Run,
    comm: &str,
    body: impl FnOnce(&Link) -> Result<()>,
) -> Result<Vec<Attempt>> {
    let (mut actor, _) = Actor::start(comm, body)?;
    let attempts = actor.go()?.attempts;
    run.quiet.push(actor.pid() as u32);
    run.keep(actor);
    Ok(attempts)
}

/// A caller whose threads are all created: there may be no record of it.
pub(super) fn granted(
    run: &mut Run,
    comm: &str,
    body: impl FnOnce(&Link) -> Result<()>,
) -> Result<()> {
    must_succeed(&unrecorded(run, comm, body)?)
}
