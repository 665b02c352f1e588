//! `rlimit_nproc` at execve: setuid to a user who is over the limit succeeds,
//! and the next execve answers EAGAIN.

use std::ffi::CStr;
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::seccomp::{self, Action};
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, probers, skip};
use crate::actor::{Actor, Prober};
use crate::arch::compat;
use crate::attempt::{Attempt, Kind, exec};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nproc_exec",
        reach: Reach::Own,
        run: over,
    },
    Scenario {
        name: "nproc_exec_many",
        reach: Reach::Own,
        run: many,
    },
    Scenario {
        name: "nproc_exec_capable",
        reach: Reach::Own,
        run: capable,
    },
    Scenario {
        name: "nproc_exec_user_namespace",
        reach: Reach::Own,
        run: nested,
    },
    Scenario {
        name: "nproc_exec_32bit",
        reach: Reach::Own,
        run: compat,
    },
    Scenario {
        name: "nproc_exec_program",
        reach: Reach::Own,
        run: program,
    },
    Scenario {
        name: "nproc_exec_at_the_limit",
        reach: Reach::Own,
        run: at_the_limit,
    },
    Scenario {
        name: "nproc_exec_filtered",
        reach: Reach::Own,
        run: filtered,
    },
    Scenario {
        name: "quiet_exec",
        reach: Reach::Own,
        run: quiet,
    },
];

/// Each system call, by a user with more tasks than the callers' limit.
fn over(place: &Place) -> Result<Run> {
    let uid = place.uid(130);
    let tree = place.cgroups.tree("nx")?;
    let home = tree.at(&["of", "exec"])?;
    let mut run = Run::default();
    let sleepers = Sleepers::start(9, || Ok(sys::become_uid(uid)?))?;
    let mut callers = probers("nx", Kind::EXECS, place.count, || {
        home.enter()?;
        sys::limit_nproc(6, 6)?;
        Ok(sys::become_uid(uid)?)
    })?;
    let usage = callers.len() as u64 + 9;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 6, usage))
            .within(&place.cgroups, &home)
    })?;
    run.keep(callers);
    run.keep(sleepers);
    run.keep(tree);
    Ok(run)
}

/// The mark stays, so every further attempt is refused too; a fork before the
/// last ones changes nothing, for it is refused as well.
fn many(place: &Place) -> Result<Run> {
    let uid = place.uid(131);
    let mut run = Run::default();
    let sleepers = Sleepers::start(5, || Ok(sys::become_uid(uid)?))?;
    let (mut caller, _) = Actor::start("nx-many", |link| {
        sys::limit_nproc(3, 3)?;
        sys::become_uid(uid)?;
        link.step();
        let mut all = crate::attempt::attempts(Kind::Execve, 21);
        all.extend(crate::attempt::attempts(Kind::PLAIN, 2));
        all.extend(crate::attempt::attempts(Kind::Execve, 3));
        link.ready(all);
        Ok(())
    })?;
    let attempts = caller.go()?.attempts;
    super::must_fail(&attempts)?;
    run.expects.extend(attempts.iter().map(|a| {
        Expect::of(&caller, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 3, 6))
    }));
    run.keep(caller);
    run.keep(sleepers);
    Ok(run)
}

/// CAP_SYS_RESOURCE and CAP_SYS_ADMIN exempt from the check in fork, and not
/// from this one: the fork succeeds. (It takes the mark away as well.)
fn capable(place: &Place) -> Result<Run> {
    let uid = place.uid(132);
    let mut run = Run::default();
    let sleepers = Sleepers::start(11, || Ok(sys::become_uid(uid)?))?;
    let mut callers = probers("nxc", Kind::EXECS, place.count, || {
        sys::limit_nproc(8, 8)?;
        Ok(sys::become_uid_with_capabilities(uid, &[])?)
    })?;
    let usage = callers.len() as u64 + 11;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 8, usage))
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// A user namespace whose creator had a limit of 5 and has more tasks; in it a
/// process with a limit of 50 becomes another user, who has no other task.
fn nested(place: &Place) -> Result<Run> {
    let (creator, creators, own) = (place.uid(133), 5, 50);
    if place.kernel < (5, 14) {
        return skip("the limit of a namespace's creator counts since 5.14");
    }
    let mut run = Run::default();
    let sleepers = Sleepers::start(7, || Ok(sys::become_uid(creator)?))?;
    let mut callers = Vec::new();
    for kind in Kind::EXECS {
        let comm = format!("nxns-{}", kind.label());
        let prober = Prober::start(&comm, *kind, place.count, || {
            let mapper = Mapper::start(creator, 2)?;
            sys::limit_nproc(creators, own)?;
            sys::become_uid(creator)?;
            // Its maps are root's to write, which needs a process that may be
            // looked into.
            sys::own_proc_files();
            sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            sys::limit_nproc(own, own)?;
            mapper.map()?;
            // Its second uid.
            sys::become_uids(1, 1, 1)?;
            Ok(Vec::new())
        });
        match prober.context("a user namespace") {
            Ok(prober) => callers.push(prober),
            Err(error) => return skip(format!("{error:#}")),
        }
    }
    let usage = callers.len() as u64 + 7;
    run.fire(&mut callers, |p, a| {
        let limit = WantedLimit {
            scope: Scope::StartsWith("user namespace "),
            value: Number::Exact(creators),
            ..WantedLimit::nproc(creator, creators, usage)
        };
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(creator + 1)
            .limit(limit)
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// A child that is still root and writes its parent's maps.
pub(super) struct Mapper {
    pid: i32,
    go: std::os::fd::OwnedFd,
}

impl Mapper {
    /// `count` uids from `first` on are to be uids 0, 1, … in the namespace.
    pub(super) fn start(first: u32, count: u32) -> Result<Self> {
        let (wait, go) = sys::pipe()?;
        let pid = sys::child("fork of a helper", || {
            sys::die_with_parent();
            let _ = rustix::io::read(&wait, &mut [0u8]);
            let parent = sys::parent();
            let map = format!("0 {first} {count}");
            let written = fs::write(format!("/proc/{parent}/uid_map"), map);
            i32::from(written.is_err())
        })?;
        Ok(Self { pid, go })
    }

    pub(super) fn map(self) -> Result<()> {
        rustix::io::write(&self.go, b"g")?;
        ensure!(sys::reap(self.pid) == Some(0), "uid_map was not written");
        Ok(())
    }
}

/// By a 32-bit call. The tracepoints of system calls don't show those
/// (kernel/trace/trace_syscalls.c).
fn compat(place: &Place) -> Result<Run> {
    if !compat::works() {
        return skip("this kernel has no 32-bit system calls");
    }
    if place.by_tracepoint() {
        return skip("tracepoints don't show 32-bit system calls");
    }
    let uid = place.uid(135);
    let mut run = Run::default();
    let sleepers = Sleepers::start(6, || Ok(sys::become_uid(uid)?))?;
    let mut callers = probers("nx32", &[Kind::Execve32], place.count, || {
        sys::limit_nproc(4, 4)?;
        Ok(sys::become_uid(uid)?)
    })?;
    run.fire(&mut callers, |p, a| {
        Expect::of(&p.actor, a, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 4, 7))
    })?;
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// What service managers and `su` do: a program of its own that becomes the
/// user and executes what it was asked to. The standard library's way, which
/// hands the errno back.
fn program(place: &Place) -> Result<Run> {
    use std::os::unix::process::CommandExt as _;
    let uid = place.uid(136);
    let mut run = Run::default();
    let sleepers = Sleepers::start(14, || Ok(sys::become_uid(uid)?))?;
    let (caller, report) = Actor::start("launcher", |link| {
        sys::limit_nproc(12, 12)?;
        let (from, to) = std::io::pipe()?;
        let writer = std::os::fd::AsRawFd::as_raw_fd(&to);
        let mut command = std::process::Command::new("/proc/self/exe");
        command.args(["helper", "exit", "0"]).uid(uid).gid(uid);
        // Runs after setuid, before execve.
        // SAFETY: two system calls that may be made after a fork.
        unsafe {
            command.pre_exec(move || {
                let pid = libc::getpid();
                libc::write(writer, (&raw const pid).cast(), 4);
                Ok(())
            });
        }
        let answer = command.spawn();
        drop(to);
        let mut bytes = [0; 4];
        std::io::Read::read_exact(&mut { from }, &mut bytes)?;
        let Err(error) = answer else {
            bail!("the program was started");
        };
        let pid = i32::from_ne_bytes(bytes);
        link.ready(vec![pid as u64, error.raw_os_error().unwrap_or(0) as u64]);
        Ok(())
    })?;
    let [pid, errno] = report.numbers[..] else {
        bail!("the launcher sent nothing");
    };
    ensure!(errno == libc::EAGAIN as u64, "spawn answered errno {errno}");
    let attempt = Attempt {
        kind: Kind::Execve,
        tid: pid as i32,
        errno: libc::EAGAIN,
    };
    run.expects.push(
        Expect::of(&caller, &attempt, Cause::RlimitNproc)
            .pid(pid)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 12, 15)),
    );
    run.keep(caller);
    run.keep(sleepers);
    Ok(run)
}

/// Exactly as many others as the limit allows. Up to 5.16 setuid marks at the
/// limit, and execve refuses, for the caller makes one more; since then setuid
/// marks only beyond it (kernel/sys.c `set_user`, `flag_nproc_exceeded`).
fn at_the_limit(place: &Place) -> Result<Run> {
    let uid = place.uid(137);
    let mut run = Run::default();
    let sleepers = Sleepers::start(10, || Ok(sys::become_uid(uid)?))?;
    if place.kernel < (5, 17) {
        let mut callers = probers("nxl", &[Kind::Execve], place.count, || {
            sys::limit_nproc(10, 10)?;
            Ok(sys::become_uid(uid)?)
        })?;
        run.fire(&mut callers, |p, a| {
            Expect::of(&p.actor, a, Cause::RlimitNproc)
                .uid(uid)
                .limit(WantedLimit::nproc(uid, 10, 11))
        })?;
        run.keep(callers);
    } else {
        let caller = works("nxl-works", || {
            sys::limit_nproc(10, 10)?;
            Ok(sys::become_uid(uid)?)
        })?;
        run.quiet.push(caller);
    }
    run.keep(sleepers);
    Ok(run)
}

/// A child that does `setup` and executes a program, which succeeds; its pid.
fn works(comm: &str, setup: impl Fn() -> Result<()>) -> Result<u32> {
    let pid = sys::child("fork", || {
        sys::die_with_parent();
        sys::set_comm(comm);
        if let Err(error) = setup() {
            eprintln!("{comm}: {error:#}");
            return 99;
        }
        -exec::execve() as i32
    })?;
    match sys::reap(pid) {
        Some(0) => Ok(pid as u32),
        status => bail!("{comm}: execve did not work (wait status {status:?})"),
    }
}

/// Over the limit and marked, but a filter answers in execve's place: the check
/// never ran. Tracepoints show an EAGAIN that nobody can explain.
fn filtered(place: &Place) -> Result<Run> {
    let uid = place.uid(138);
    let mut run = Run::default();
    let sleepers = Sleepers::start(6, || Ok(sys::become_uid(uid)?))?;
    let mut callers = probers("nxf", Kind::EXECS, place.count, || {
        sys::limit_nproc(2, 2)?;
        sys::become_uid(uid)?;
        Ok(seccomp::install(
            &[libc::SYS_execve, libc::SYS_execveat],
            Action::Errno(libc::EAGAIN),
        )?)
    })?;
    for prober in &mut callers {
        let attempts = prober.fire()?;
        super::must_fail(&attempts)?;
        if place.by_tracepoint() {
            run.expects.extend(
                attempts
                    .iter()
                    .map(|a| Expect::of(&prober.actor, a, Cause::Unknown).uid(uid)),
            );
        } else {
            run.quiet.push(prober.actor.pid() as u32);
        }
    }
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}

/// What must not be recorded: an execve that works, that answers another errno, and
/// an EAGAIN of somebody else.
fn quiet(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(140);
    let sleepers = Sleepers::start(8, || Ok(sys::become_uid(uid)?))?;
    // Under the limit, with the caller; and root, who is never marked.
    run.quiet.push(works("xq-under", || {
        sys::limit_nproc(9, 9)?;
        Ok(sys::become_uid(uid)?)
    })?);
    run.quiet
        .push(works("xq-root", || Ok(sys::limit_nproc(1, 1)?))?);
    // Over the limit without setuid: nothing asks.
    run.quiet.push(works("xq-later", || {
        sys::become_uid(uid)?;
        Ok(sys::limit_nproc(2, 2)?)
    })?);
    // Marked, but there is room again.
    run.quiet.push(works("xq-again", || {
        sys::limit_nproc(3, 100)?;
        sys::become_uid(uid)?;
        Ok(sys::limit_nproc(50, 100)?)
    })?);
    // Other errnos: of those that are marked too, where there is room.
    let (caller, _) = Actor::start("xq-errnos", |link| {
        sys::limit_nproc(3, 100)?;
        sys::become_uid(uid)?;
        sys::limit_nproc(50, 100)?;
        let wants = |program: &CStr, errno: i32| {
            let answer = exec::execve_of(program);
            ensure!(
                answer == -errno as isize,
                "execve of {program:?} answered {answer}"
            );
            Ok(())
        };
        for _ in 0..20 {
            wants(c"/nowhere", libc::ENOENT)?;
            wants(c"/proc/self/status", libc::EACCES)?;
            wants(c"/proc", libc::EACCES)?;
        }
        link.step();
        Ok(())
    })?;
    run.quiet.push(caller.pid() as u32);
    run.keep(caller);
    // A filter's EAGAIN, of one that is not marked.
    let mut callers = probers("xqf", Kind::EXECS, place.count, || {
        Ok(seccomp::install(
            &[libc::SYS_execve, libc::SYS_execveat],
            Action::Errno(libc::EAGAIN),
        )?)
    })?;
    for prober in &mut callers {
        super::must_fail(&prober.fire()?)?;
        run.quiet.push(prober.actor.pid() as u32);
    }
    run.keep(callers);
    run.keep(sleepers);
    Ok(run)
}
