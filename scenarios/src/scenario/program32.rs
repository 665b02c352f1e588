//! What a 32-bit program is refused: its calls come by entries of their own, with numbers of their own.

use anyhow::{Result, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{Place, Reach, Run, Scenario, skip};
use crate::attempt::{Attempt, Kind, THREAD_FLAGS};
use crate::expect::{Expect, WantedLimit};
use crate::program32::{CLONE3, COMM, EXECVE, Program32, number};
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "program32_pids",
        reach: Reach::Own,
        run: pids,
    },
    Scenario {
        name: "program32_nproc_at_execve",
        reach: Reach::Own,
        run: nproc_at_execve,
    },
];

const NO_PROGRAMS: &str = "this kernel executes no 32-bit programs";
/// kernel/trace/trace_syscalls.c, where a machine has ARCH_TRACE_IGNORE_COMPAT_SYSCALLS.
const UNSEEN: &str = "tracepoints don't show 32-bit system calls";

/// Every call that creates.
fn pids(place: &Place) -> Result<Run> {
    if place.by_tracepoint() {
        return skip(UNSEEN);
    }
    let tree = place.cgroups.tree("p32")?;
    let home = tree.top();
    let inside = home.clone();
    let Some(mut program) = Program32::start(THREAD_FLAGS as u64, move || Ok(inside.enter()?))?
    else {
        return skip(NO_PROGRAMS);
    };
    // It has begun: what it is asked for before the limit is granted.
    let child = program.call(number::FORK, [0; 5], true)?;
    ensure!(child > 0, "an unlimited fork answered {child}");
    home.limit(1)?;
    let thread = THREAD_FLAGS as u32;
    let calls = [
        (Kind::Fork32, number::FORK, [0; 5]),
        (Kind::Vfork32, number::VFORK, [0; 5]),
        (Kind::CloneThread, number::CLONE, [thread, 0, 0, 0, 0]),
        (Kind::Clone3Thread, number::CLONE3, CLONE3),
    ];
    let mut run = Run::default();
    for (kind, number, arguments) in calls {
        for _ in 0..place.count {
            let answer = program.call(number, arguments, true)?;
            ensure!(
                answer == -libc::EAGAIN,
                "{} of a 32-bit program answered {answer}",
                kind.syscall()
            );
            run.expects.push(
                of(&program, kind, Cause::CgroupPidsMax)
                    .within(&place.cgroups, &home)
                    // The child that was granted has ended, and nobody has waited for it.
                    .limit(WantedLimit::pids(&home, 1, 2)),
            );
        }
    }
    run.keep(program);
    run.keep(tree);
    Ok(run)
}

/// setresuid lets the user's limit pass, and execve is refused for it.
fn nproc_at_execve(place: &Place) -> Result<Run> {
    if place.by_tracepoint() {
        return skip(UNSEEN);
    }
    let uid = place.uid(137);
    let sleepers = Sleepers::start(6, || Ok(sys::become_uid(uid)?))?;
    let Some(mut program) = Program32::start(0, || Ok(sys::limit_nproc(4, 4)?))? else {
        return skip(NO_PROGRAMS);
    };
    let became = program.call(number::SETRESUID, [uid, uid, uid, 0, 0], false)?;
    ensure!(
        became == 0,
        "setresuid of a 32-bit program answered {became}"
    );
    let mut run = Run::default();
    let answer = program.call(number::EXECVE, EXECVE, false)?;
    ensure!(
        answer == -libc::EAGAIN,
        "execve of a 32-bit program answered {answer}"
    );
    run.expects.push(
        of(&program, Kind::Execve32, Cause::RlimitNproc)
            .uid(uid)
            .limit(WantedLimit::nproc(uid, 4, 7)),
    );
    run.keep(program);
    run.keep(sleepers);
    Ok(run)
}

/// A refusal of the program's own.
fn of(program: &Program32, kind: Kind, cause: Cause) -> Expect {
    let attempt = Attempt {
        kind,
        tid: program.pid() as i32,
        errno: libc::EAGAIN,
    };
    Expect::by(program.pid(), COMM.to_owned(), &attempt, cause)
}
