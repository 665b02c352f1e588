//! `seccomp`: a filter answers in the place of a creating call. Tracepoints show
//! it always, the function styles with `--seccomp`.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::seccomp::{Action, install, install_32};
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, must_fail, must_succeed, probers, skip};
use crate::actor::Actor;
use crate::arch::{CREATIONS, compat};
use crate::attempt::{Kind, attempt, attempts, exec};
use crate::expect::{Expect, WantedLimit};

/// Of a session without `--seccomp`.
pub(super) const WITHOUT_OPTION: &[Scenario] = &[Scenario {
    name: "seccomp_without_option",
    reach: Reach::Own,
    run: unasked,
}];

/// Of one with it.
pub(super) const WITH_OPTION: &[Scenario] = &[
    Scenario {
        name: "seccomp_eagain",
        reach: Reach::Own,
        run: |place| refused(place, "sca", libc::EAGAIN, 3),
    },
    Scenario {
        name: "seccomp_enomem",
        reach: Reach::Own,
        run: |place| refused(place, "scm", libc::ENOMEM, 2),
    },
    Scenario {
        name: "seccomp_storm",
        reach: Reach::Own,
        run: |place| refused(place, "scs", libc::EAGAIN, 45),
    },
    Scenario {
        name: "seccomp_32bit",
        reach: Reach::Own,
        run: compat,
    },
    Scenario {
        name: "seccomp_and_pids_max",
        reach: Reach::Own,
        run: beside_a_limit,
    },
    Scenario {
        name: "quiet_seccomp",
        reach: Reach::Own,
        run: quiet,
    },
];

fn refused(place: &Place, tag: &str, errno: i32, times: u32) -> Result<Run> {
    let mut run = Run::default();
    let mut callers = probers(tag, Kind::EVERY, place.count * times, || {
        Ok(install(CREATIONS, Action::Errno(errno))?)
    })?;
    run.fire(&mut callers, |p, a| Expect::of(&p.actor, a, Cause::Seccomp))?;
    ensure!(
        run.expects.iter().all(|e| e.errno.name() == name(errno)),
        "the filter answered something else"
    );
    run.keep(callers);
    Ok(run)
}

fn name(errno: i32) -> &'static str {
    match errno {
        libc::ENOMEM => "ENOMEM",
        _ => "EAGAIN",
    }
}

/// The function styles attach nothing, and hear nothing.
fn unasked(place: &Place) -> Result<Run> {
    let mut run = refused(place, "scu", libc::EAGAIN, 1)?;
    if !place.by_tracepoint() {
        run.quiet = run.expects.drain(..).map(|e| e.pid).collect();
    }
    Ok(run)
}

/// 32-bit calls have other numbers: what has a creation's number of 64-bit code is something else there.
fn compat(place: &Place) -> Result<Run> {
    if !compat::works() {
        return skip("this kernel has no 32-bit system calls");
    }
    if place.by_tracepoint() {
        return skip("tracepoints don't show 32-bit system calls");
    }
    let mut run = Run::default();
    let kinds = &[Kind::Fork32, Kind::Vfork32];
    let mut callers = probers("sc32", kinds, place.count, || {
        Ok(install_32(compat::CREATIONS, Action::Errno(libc::EAGAIN))?)
    })?;
    run.fire(&mut callers, |p, a| Expect::of(&p.actor, a, Cause::Seccomp))?;
    run.keep(callers);
    let (caller, _) = Actor::start("sc32-others", |link| {
        install_32(compat::OTHERS, Action::Errno(libc::EAGAIN))?;
        for number in compat::OTHERS {
            let answer = compat::refused_call(*number);
            ensure!(
                answer == -libc::EAGAIN as isize,
                "32-bit call {number} answered {answer}"
            );
        }
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    Ok(run)
}

/// A filter that lets forks pass, and a limit that refuses them; then threads,
/// which it refuses. Each is recorded once, with its own cause.
fn beside_a_limit(place: &Place) -> Result<Run> {
    let tree = place.cgroups.tree("scp")?;
    let home = tree.top();
    let mut run = Run::default();
    let (mut caller, _) = Actor::start("sc-beside", |link| {
        home.enter()?;
        install(&[libc::SYS_clone], Action::Errno(libc::ENOMEM))?;
        link.step();
        let mut all = attempts(Kind::Clone3, 2);
        all.extend(attempts(Kind::CloneThread, 3));
        all.extend(attempts(Kind::Clone3, 1));
        link.ready(all);
        Ok(())
    })?;
    home.limit(1)?;
    let attempts = caller.go()?.attempts;
    must_fail(&attempts)?;
    for a in &attempts {
        run.expects.push(if a.kind == Kind::Clone3 {
            Expect::of(&caller, a, Cause::CgroupPidsMax)
                .limit(WantedLimit::pids(&home, 1, 1))
                .within(&place.cgroups, &home)
        } else {
            Expect::of(&caller, a, Cause::Seccomp).within(&place.cgroups, &home)
        });
    }
    run.keep(caller);
    run.keep(tree);
    Ok(run)
}

static TRAPS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count_trap(_: i32) {
    TRAPS.fetch_add(1, Ordering::Relaxed);
}

/// What a filter does else, and to other calls.
fn quiet(_place: &Place) -> Result<Run> {
    let mut run = Run::default();
    // Another errno.
    let (caller, _) = Actor::start("scq-eperm", |link| {
        install(CREATIONS, Action::Errno(libc::EPERM))?;
        for kind in Kind::EVERY {
            let errno = attempt(*kind).errno;
            ensure!(errno == libc::EPERM, "{} answered {errno}", kind.label());
        }
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    // Other calls, and creations that pass.
    let (caller, _) = Actor::start("scq-others", |link| {
        let calls = [libc::SYS_getppid, libc::SYS_execve];
        install(&calls, Action::Errno(libc::EAGAIN))?;
        for _ in 0..30 {
            // SAFETY: takes nothing. libc alone says when it is refused.
            let answer = unsafe { libc::syscall(libc::SYS_getppid) };
            ensure!(answer == -1, "getppid answered {answer}");
        }
        let answer = exec::execve();
        ensure!(answer == -libc::EAGAIN as isize, "execve answered {answer}");
        for kind in Kind::EVERY {
            must_succeed(&[attempt(*kind)])?;
        }
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    // A signal in the call's place.
    let (caller, _) = Actor::start("scq-trap", |link| {
        sys::signal::handle(libc::SIGSYS, count_trap)?;
        install(CREATIONS, Action::Trap)?;
        attempt(Kind::CloneProcess);
        ensure!(TRAPS.load(Ordering::Relaxed) == 1, "no SIGSYS came");
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    // A tracer that isn't there.
    let (caller, _) = Actor::start("scq-trace", |link| {
        install(CREATIONS, Action::Trace)?;
        let errno = attempt(Kind::CloneProcess).errno;
        ensure!(errno == libc::ENOSYS, "clone answered {errno}");
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    // Death in the call's place.
    let pid = sys::child("fork", || {
        sys::die_with_parent();
        match install(CREATIONS, Action::Kill) {
            Ok(()) => attempt(Kind::CloneProcess).errno,
            Err(_) => 99,
        }
    })?;
    let status = sys::reap(pid).unwrap_or(0);
    ensure!(
        libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS,
        "the filter did not kill (wait status {status:#x})"
    );
    run.quiet.push(pid as u32);
    Ok(run)
}
