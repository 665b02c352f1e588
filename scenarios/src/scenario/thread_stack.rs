//! `--thread-stacks`: pthread_create(3) answers EAGAIN, because the stack of
//! the new thread can't be mapped, or not be made accessible. No thread is
//! ever asked for.

use std::io;

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::record::{Errno, Unit};

use super::overcommit::CommitLimit;
use super::{Place, Reach, Run, Scenario, must_succeed};
use crate::actor::{Actor, Report};
use crate::attempt::{Attempt, Kind, gettid};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::pthread::{self, GUARD, Stack};
use crate::sys::{self, Sysctl};

const MIB: u64 = 1 << 20;

/// Provoked while forktrace runs with `--thread-stacks`.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "stack_as",
        reach: Reach::Own,
        run: address_space,
    },
    Scenario {
        name: "stack_storm",
        reach: Reach::Own,
        run: storm,
    },
    Scenario {
        name: "stack_data",
        reach: Reach::Own,
        run: data,
    },
    Scenario {
        name: "stack_memlock",
        reach: Reach::Own,
        run: memlock,
    },
    Scenario {
        name: "stack_maps_mmap",
        reach: Reach::Host,
        run: |place| maps(place, "stmap", Kind::StackMmap, None),
    },
    Scenario {
        name: "stack_maps_mprotect",
        reach: Reach::Host,
        run: |place| maps(place, "stspl", Kind::StackMprotect, None),
    },
    Scenario {
        name: "stack_overcommit_never",
        reach: Reach::Host,
        run: never,
    },
    Scenario {
        name: "stack_overcommit_heuristic",
        reach: Reach::Own,
        run: heuristic,
    },
    Scenario {
        name: "stack_first_maps",
        reach: Reach::Host,
        run: |place| maps(place, "st1st", Kind::StackMmap, Some(3 * MIB)),
    },
    Scenario {
        name: "stack_first_memlock",
        reach: Reach::Own,
        run: first_memlock,
    },
    Scenario {
        name: "stack_first_as",
        reach: Reach::Own,
        run: first_address_space,
    },
    Scenario {
        name: "stack_first_data",
        reach: Reach::Own,
        run: first_data,
    },
    Scenario {
        name: "stack_quiet_success",
        reach: Reach::Own,
        run: quiet_success,
    },
    Scenario {
        name: "stack_quiet_data_unasked",
        reach: Reach::Own,
        run: quiet_data_unasked,
    },
    Scenario {
        name: "stack_quiet_ordinary",
        reach: Reach::Own,
        run: quiet_ordinary,
    },
];

/// Provoked while forktrace runs without the option.
pub const UNTOLD: &[Scenario] = &[Scenario {
    name: "quiet_stack_without_option",
    reach: Reach::Own,
    run: without_option,
}];

/// What a caller is refused, and what it measures right before.
struct Wanted<'a> {
    comm: &'a str,
    uid: u32,
    stack: Stack,
    /// The refused call.
    kind: Kind,
    /// Line of /proc/self/status that the limit is compared with.
    usage: &'static str,
    count: u32,
}

impl Wanted<'_> {
    /// What the refused call asks for.
    fn requested(&self) -> u64 {
        match self.kind {
            Kind::StackMmap if self.stack.guard => self.stack.bytes + GUARD,
            _ => self.stack.bytes,
        }
    }
}

/// A caller that has done `limits`, whose answer is the limit's value.
fn caller(wanted: &Wanted<'_>, limits: impl Fn() -> Result<u64>) -> Result<(Actor, u64)> {
    let (actor, report) = Actor::start(wanted.comm, |link| {
        // Up to 5.15 a user may lock 64 KiB only (MLOCK_LIMIT, include/uapi/linux/resource.h).
        // Where it may not be raised, what there is will do, or lowering it fails.
        let _ = sys::limit(
            libc::RLIMIT_MEMLOCK,
            libc::RLIM_INFINITY,
            libc::RLIM_INFINITY,
        );
        sys::become_uid(wanted.uid)?;
        let mut all = Vec::with_capacity(wanted.count as usize);
        // What pthread_create sets up once.
        ensure!(
            pthread::create(Stack {
                bytes: 64 << 10,
                guard: true
            }) == 0,
            "a first thread was refused"
        );
        pthread::status(wanted.usage)?;
        let value = limits()?;
        link.ready(vec![value]);
        let usage = pthread::status(wanted.usage)?;
        for _ in 0..wanted.count {
            all.push(Attempt {
                kind: wanted.kind,
                tid: gettid(),
                errno: pthread::create(wanted.stack),
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
fn fire(
    run: &mut Run,
    wanted: &Wanted<'_>,
    (mut actor, value): (Actor, u64),
    cause: Cause,
    errno: Errno,
    limit: impl Fn(u64, u64) -> WantedLimit,
    candidate: Option<WantedLimit>,
) -> Result<()> {
    let report = actor.go()?;
    let usage = report.numbers.first().copied().unwrap_or(0);
    for attempt in &report.attempts {
        ensure!(
            attempt.errno == libc::EAGAIN,
            "pthread_create answered {}",
            attempt.errno
        );
        let mut expect = Expect::of(&actor, attempt, cause)
            .uid(wanted.uid)
            .limit(limit(value, usage));
        expect.errno = errno;
        expect.requested = Some(wanted.requested());
        expect.candidate = candidate.clone();
        run.expects.push(expect);
    }
    run.keep(actor);
    Ok(())
}

/// A limit of the process, in bytes.
fn of_process(name: &'static str, value: u64, usage: Number) -> WantedLimit {
    WantedLimit {
        name: Some(name),
        scope: Scope::Exact("process".to_owned()),
        value: Number::Exact(value),
        usage,
        unit: Some(Unit::Bytes),
        file: None,
    }
}

fn guarded(mib: u64) -> Stack {
    Stack {
        bytes: mib * MIB,
        guard: true,
    }
}

fn bare(mib: u64) -> Stack {
    Stack {
        bytes: mib * MIB,
        guard: false,
    }
}

/// Sets a limit so that `room` more bytes fit under it. No whole number of
/// pages: the kernel compares pages.
fn leave_room(which: libc::__rlimit_resource_t, usage: &str, room: u64) -> Result<u64> {
    let value = pthread::status(usage)? + room + 123;
    sys::limit(which, value, value)?;
    Ok(value)
}

fn address_space(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack) in [
        ("stas-root", 0, guarded(21)),
        ("stas-user", place.uid(70), guarded(13)),
        ("stas-bare", 0, bare(37)),
    ] {
        let wanted = Wanted {
            comm,
            uid,
            stack,
            kind: Kind::StackMmap,
            usage: "VmSize",
            count: 1,
        };
        let limits = || leave_room(libc::RLIMIT_AS, "VmSize", stack.bytes - MIB);
        fire(
            &mut run,
            &wanted,
            caller(&wanted, limits)?,
            Cause::RlimitAs,
            Errno::ENOMEM,
            |value, usage| of_process("RLIMIT_AS", value, Number::Exact(usage)),
            None,
        )?;
    }
    Ok(run)
}

/// More in a second than travel in full: the rest is counted, exactly.
fn storm(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, kind) in [
        ("ststorm-map", Kind::StackMmap),
        ("ststorm-prot", Kind::StackMprotect),
    ] {
        let (which, usage, name, cause) = match kind {
            Kind::StackMmap => (libc::RLIMIT_AS, "VmSize", "RLIMIT_AS", Cause::RlimitAs),
            _ => (
                libc::RLIMIT_DATA,
                "VmData",
                "RLIMIT_DATA",
                Cause::RlimitData,
            ),
        };
        let wanted = Wanted {
            comm,
            uid: 0,
            stack: guarded(9),
            kind,
            usage,
            count: 77,
        };
        fire(
            &mut run,
            &wanted,
            caller(&wanted, || leave_room(which, usage, 5 * MIB))?,
            cause,
            Errno::ENOMEM,
            |value, usage| of_process(name, value, Number::Exact(usage)),
            None,
        )?;
    }
    Ok(run)
}

fn data(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack, soft_0) in [
        ("stdata-root", 0, guarded(11), false),
        ("stdata-user", place.uid(71), guarded(19), false),
        ("stdata-bare", 0, bare(7), false),
        // The hard limit holds then ("workaround for Valgrind").
        ("stdata-soft0", 0, guarded(15), true),
    ] {
        let wanted = Wanted {
            comm,
            uid,
            stack,
            kind: if stack.guard {
                Kind::StackMprotect
            } else {
                Kind::StackMmap
            },
            usage: "VmData",
            count: 1,
        };
        let limits = || {
            let value = leave_room(libc::RLIMIT_DATA, "VmData", 3 * MIB)?;
            if soft_0 {
                sys::limit(libc::RLIMIT_DATA, 0, value)?;
            }
            Ok(value)
        };
        fire(
            &mut run,
            &wanted,
            caller(&wanted, limits)?,
            Cause::RlimitData,
            Errno::ENOMEM,
            |value, usage| of_process("RLIMIT_DATA", value, Number::Exact(usage)),
            None,
        )?;
    }
    Ok(run)
}

/// Everything that is mapped from now on is locked, up to `room` bytes.
fn lock_future(room: u64) -> Result<u64> {
    let value = leave_room(libc::RLIMIT_MEMLOCK, "VmLck", room)?;
    // SAFETY: changes the caller's own mappings.
    let answer = unsafe { libc::mlockall(libc::MCL_FUTURE) };
    sys::check(i64::from(answer), "mlockall")?;
    Ok(value)
}

/// Root has CAP_IPC_LOCK, and its threads are created.
fn memlock(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, stack) in [
        ("stlock-user", place.uid(72), guarded(6)),
        ("stlock-bare", place.uid(73), bare(4)),
    ] {
        let wanted = Wanted {
            comm,
            uid,
            stack,
            kind: Kind::StackMmap,
            usage: "VmLck",
            count: 1,
        };
        fire(
            &mut run,
            &wanted,
            caller(&wanted, || lock_future(2 * MIB))?,
            Cause::RlimitMemlock,
            Errno::EAGAIN,
            |value, usage| of_process("RLIMIT_MEMLOCK", value, Number::Exact(usage)),
            None,
        )?;
    }
    let (mut root, _) = Actor::start("stlock-root", |link| {
        lock_future(2 * MIB)?;
        link.step();
        link.ready(vec![thread(guarded(6))]);
        Ok(())
    })?;
    must_succeed(&root.go()?.attempts)?;
    run.quiet.push(root.pid() as u32);
    run.keep(root);
    Ok(run)
}

fn thread(stack: Stack) -> Attempt {
    Attempt {
        kind: Kind::StackMmap,
        tid: gettid(),
        errno: pthread::create(stack),
    }
}

/// So many mappings that can't be merged.
const MAPPINGS: usize = 431;

fn many_mappings() -> Result<()> {
    let at = sys::map(2 * MAPPINGS * 4096)?;
    for n in 0..MAPPINGS {
        // SAFETY: a page of the caller's own mapping.
        let answer = unsafe { libc::mprotect(at.add(2 * n * 4096).cast(), 4096, libc::PROT_READ) };
        sys::check(i64::from(answer), "mprotect")?;
    }
    Ok(())
}

/// vm.max_map_count below what the caller has (mmap refuses), or at it
/// (mprotect refuses to split the guard off); with RLIMIT_AS exhausted as well,
/// which the kernel looks at later.
fn maps(place: &Place, tag: &str, kind: Kind, as_room: Option<u64>) -> Result<Run> {
    let sysctl = Sysctl::keep("vm/max_map_count")?;
    let mut run = Run::default();
    let mut callers = Vec::new();
    for (who, uid) in [("root", 0), ("user", place.uid(74))] {
        let comm = format!("{tag}-{who}");
        let (actor, report) = Actor::start(&comm, |link| {
            sys::become_uid(uid)?;
            many_mappings()?;
            pthread::mappings()?;
            if let Some(room) = as_room {
                leave_room(libc::RLIMIT_AS, "VmSize", room)?;
            }
            link.ready(vec![pthread::mappings()?]);
            link.ready(vec![Attempt {
                kind,
                ..thread(guarded(5))
            }]);
            Ok(())
        })?;
        callers.push((actor, uid, report.numbers.first().copied().unwrap_or(0)));
    }
    for (mut actor, uid, mappings) in callers {
        let value = match kind {
            Kind::StackMmap => mappings - 9,
            _ => mappings,
        };
        sysctl.change(value)?;
        let attempts = actor.go()?.attempts;
        for attempt in &attempts {
            ensure!(
                attempt.errno == libc::EAGAIN,
                "pthread_create answered {}",
                attempt.errno
            );
            let mut expect = Expect::of(&actor, attempt, Cause::MaxMapCount)
                .uid(uid)
                .limit(WantedLimit {
                    name: Some("vm.max_map_count"),
                    scope: Scope::Exact("process".to_owned()),
                    value: Number::Exact(value),
                    usage: match kind {
                        Kind::StackMmap => Number::Exact(mappings),
                        // mmap may have merged the stack with a neighbour.
                        _ => Number::Between(value, value + 1),
                    },
                    unit: Some(Unit::Mappings),
                    file: None,
                });
            expect.errno = Errno::ENOMEM;
            expect.requested = Some(1);
            run.expects.push(expect);
        }
        run.keep(actor);
    }
    // Where the symbol isn't told, the value is read after the failure.
    run.keep(sysctl);
    Ok(run)
}

fn never(place: &Place) -> Result<Run> {
    let mode = Sysctl::set("vm/overcommit_memory", 1)?;
    let kept = CommitLimit::keep()?;
    let mut run = Run::default();
    let mut callers = Vec::new();
    for (comm, uid, stack, kind) in [
        ("stnever-root", 0, guarded(141), Kind::StackMprotect),
        (
            "stnever-user",
            place.uid(75),
            guarded(173),
            Kind::StackMprotect,
        ),
        ("stnever-bare", 0, bare(157), Kind::StackMmap),
    ] {
        let wanted = Wanted {
            comm,
            uid,
            stack,
            kind,
            usage: "VmSize",
            count: 1,
        };
        let caller = caller(&wanted, || Ok(0))?;
        callers.push((wanted, caller));
    }
    let committed = sys::meminfo("Committed_AS")?;
    let room = committed + 70 * MIB;
    std::fs::write("/proc/sys/vm/overcommit_kbytes", (room / 1024).to_string())?;
    mode.change(2)?;
    let limit = sys::meminfo("CommitLimit")?;
    // The kernel's count of what is promised is exact to a batch per CPU.
    let slack = 16 * MIB;
    for (wanted, caller) in callers {
        fire(
            &mut run,
            &wanted,
            caller,
            Cause::Overcommit,
            Errno::ENOMEM,
            |_, _| WantedLimit {
                name: Some("CommitLimit"),
                scope: Scope::Exact("host".to_owned()),
                value: Number::Exact(limit),
                usage: Number::Between(committed.saturating_sub(slack), committed + slack),
                unit: Some(Unit::Bytes),
                file: None,
            },
            None,
        )?;
    }
    run.keep(mode);
    run.keep(kept);
    Ok(run)
}

/// One stack that is larger than RAM and swap, by half.
fn huge(guard: bool) -> Result<Stack> {
    let there = sys::meminfo("MemTotal")? + sys::meminfo("SwapTotal")?;
    Ok(Stack {
        bytes: there / 2 * 3 / 4096 * 4096,
        guard,
    })
}

fn heuristic(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid, guard, kind) in [
        ("sthuge-root", 0, true, Kind::StackMprotect),
        ("sthuge-bare", place.uid(76), false, Kind::StackMmap),
    ] {
        let wanted = Wanted {
            comm,
            uid,
            stack: huge(guard)?,
            kind,
            usage: "VmSize",
            count: 1,
        };
        fire(
            &mut run,
            &wanted,
            caller(&wanted, || Ok(0))?,
            Cause::Overcommit,
            Errno::ENOMEM,
            |_, _| WantedLimit {
                name: Some("vm.overcommit_memory"),
                scope: Scope::Exact("host".to_owned()),
                value: Number::Any,
                usage: Number::Null,
                unit: Some(Unit::Bytes),
                file: None,
            },
            None,
        )?;
    }
    Ok(run)
}

/// RLIMIT_MEMLOCK and RLIMIT_AS: the first is asked first.
fn first_memlock(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = Wanted {
        comm: "st1st-lock",
        uid: place.uid(77),
        stack: guarded(8),
        kind: Kind::StackMmap,
        usage: "VmLck",
        count: 1,
    };
    let limits = || {
        leave_room(libc::RLIMIT_AS, "VmSize", 6 * MIB)?;
        lock_future(MIB)
    };
    fire(
        &mut run,
        &wanted,
        caller(&wanted, limits)?,
        Cause::RlimitMemlock,
        Errno::EAGAIN,
        |value, usage| of_process("RLIMIT_MEMLOCK", value, Number::Exact(usage)),
        Some(WantedLimit {
            value: Number::Any,
            ..of_process("RLIMIT_AS", 0, Number::Any)
        }),
    )?;
    Ok(run)
}

/// RLIMIT_AS and RLIMIT_DATA, of a stack without guard.
fn first_address_space(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = Wanted {
        comm: "st1st-as",
        uid: 0,
        stack: bare(14),
        kind: Kind::StackMmap,
        usage: "VmSize",
        count: 1,
    };
    let limits = || {
        leave_room(libc::RLIMIT_DATA, "VmData", 6 * MIB)?;
        leave_room(libc::RLIMIT_AS, "VmSize", 9 * MIB)
    };
    fire(
        &mut run,
        &wanted,
        caller(&wanted, limits)?,
        Cause::RlimitAs,
        Errno::ENOMEM,
        |value, usage| of_process("RLIMIT_AS", value, Number::Exact(usage)),
        Some(WantedLimit {
            value: Number::Any,
            ..of_process("RLIMIT_DATA", 0, Number::Any)
        }),
    )?;
    Ok(run)
}

/// RLIMIT_DATA and overcommit, in mprotect.
fn first_data(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let wanted = Wanted {
        comm: "st1st-data",
        uid: 0,
        stack: huge(true)?,
        kind: Kind::StackMprotect,
        usage: "VmData",
        count: 1,
    };
    fire(
        &mut run,
        &wanted,
        caller(&wanted, || {
            leave_room(libc::RLIMIT_DATA, "VmData", 64 * MIB)
        })?,
        Cause::RlimitData,
        Errno::ENOMEM,
        |value, usage| of_process("RLIMIT_DATA", value, Number::Exact(usage)),
        None,
    )?;
    Ok(run)
}

fn quiet_success(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for (comm, uid) in [("stok-root", 0), ("stok-user", place.uid(78))] {
        let (mut actor, _) = Actor::start(comm, |link| {
            sys::become_uid(uid)?;
            link.step();
            let mut all = Vec::new();
            for n in 0..40 {
                all.push(thread(if n % 2 == 0 {
                    guarded(3 + n)
                } else {
                    bare(3 + n)
                }));
            }
            link.ready(all);
            Ok(())
        })?;
        must_succeed(&actor.go()?.attempts)?;
        run.quiet.push(actor.pid() as u32);
        run.keep(actor);
    }
    Ok(run)
}

/// RLIMIT_DATA has no room, and yet mprotect grants it: `mprotect_fixup`
/// refuses only what passes for the old protection, and with less than one
/// more stack left under RLIMIT_AS that doesn't pass either.
fn quiet_data_unasked(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let (mut actor, _) = Actor::start("st-unasked", |link| {
        link.step();
        leave_room(libc::RLIMIT_AS, "VmSize", 30 * MIB)?;
        leave_room(libc::RLIMIT_DATA, "VmData", 4 * MIB)?;
        link.ready(vec![thread(guarded(16))]);
        Ok(())
    })?;
    must_succeed(&actor.go()?.attempts)?;
    run.quiet.push(actor.pid() as u32);
    run.keep(actor);
    Ok(run)
}

/// mmap; the errno, or 0 and where.
fn mmap(bytes: u64, prot: i32, flags: i32) -> (i32, *mut libc::c_void) {
    // SAFETY: a new mapping, nothing that exists is touched.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            bytes as usize,
            prot,
            flags | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if at == libc::MAP_FAILED {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        return (errno, at);
    }
    (0, at)
}

/// mprotect to readable and writable; the errno or 0.
fn open_up(at: *mut libc::c_void, from: u64, bytes: u64) -> i32 {
    // SAFETY: within the caller's own mapping.
    let answer = unsafe {
        libc::mprotect(
            at.byte_add(from as usize),
            bytes as usize,
            libc::PROT_READ | libc::PROT_WRITE,
        )
    };
    if answer == 0 {
        return 0;
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// What is refused by the same limits and is no thread's stack.
fn quiet_ordinary(_: &Place) -> Result<Run> {
    const REFUSED: i32 = libc::ENOMEM;
    let private = libc::MAP_PRIVATE;
    let stack = libc::MAP_PRIVATE | libc::MAP_STACK;
    let mut run = Run::default();
    let (mut caller, _) = Actor::start("st-ordinary", |link| {
        link.step();
        leave_room(libc::RLIMIT_AS, "VmSize", 900 * MIB)?;
        leave_room(libc::RLIMIT_DATA, "VmData", 8 * MIB)?;
        let writable = libc::PROT_READ | libc::PROT_WRITE;
        ensure!(mmap(1000 * MIB, 0, private).0 == REFUSED, "RLIMIT_AS");
        ensure!(
            mmap(20 * MIB, writable, private).0 == REFUSED,
            "RLIMIT_DATA"
        );
        let shared = libc::MAP_SHARED | libc::MAP_STACK;
        ensure!(mmap(1000 * MIB, 0, shared).0 == REFUSED, "shared memory");
        // An arena of malloc grows by mprotect.
        let (errno, arena) = mmap(64 * MIB, 0, private | libc::MAP_NORESERVE);
        ensure!(errno == 0 && open_up(arena, 0, MIB) == 0, "an arena");
        ensure!(open_up(arena, 0, 40 * MIB) == REFUSED, "its growth");
        // A stack was mapped before, and something else is refused.
        let (errno, _) = mmap(16 * MIB, 0, stack);
        ensure!(
            errno == 0 && open_up(arena, 0, 40 * MIB) == REFUSED,
            "beside"
        );
        // A stack that is in use already is memory as any other.
        let (errno, used) = mmap(32 * MIB, 0, stack);
        ensure!(errno == 0 && open_up(used, MIB, MIB) == 0, "a stack");
        ensure!(open_up(used, 0, 32 * MIB) == REFUSED, "its growth");
        // Beyond what was mapped.
        let (errno, small) = mmap(4 * MIB, 0, stack);
        ensure!(
            errno == 0 && open_up(small, MIB, 900 * MIB) == REFUSED,
            "too far"
        );
        // Another errno.
        ensure!(mmap(0, 0, stack).0 == libc::EINVAL, "no size");
        link.step();
        Ok(())
    })?;
    caller.go()?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    Ok(run)
}

fn without_option(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    let (mut actor, _) = Actor::start("st-untold", |link| {
        link.step();
        leave_room(libc::RLIMIT_AS, "VmSize", 10 * MIB)?;
        link.ready(vec![thread(guarded(12))]);
        Ok(())
    })?;
    let attempts = actor.go()?.attempts;
    ensure!(
        attempts.iter().all(|a| a.errno == libc::EAGAIN),
        "pthread_create was not refused"
    );
    run.quiet.push(actor.pid() as u32);
    run.keep(actor);
    Ok(run)
}
