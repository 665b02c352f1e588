//! Creations that fail with errnos that nobody asked for: counted, of those that the filters let pass, and said.

use anyhow::{Result, ensure};
use forktrace::provoke::sys;

use super::{Behaviour, record};
use crate::actor::Actor;
use crate::runner::{Tests, Where};
use crate::scenario::errnos::by_clone;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "other_errnos_counted_auto",
        run: |tests| counted(tests, "auto"),
    },
    Behaviour {
        name: "other_errnos_counted_kprobe",
        run: |tests| match tests.at {
            Where::Host => Ok(()),
            Where::TestMachine => counted(tests, "kprobe"),
        },
    },
    Behaviour {
        name: "other_errnos_counted_tracepoint",
        run: |tests| counted(tests, "tracepoint"),
    },
];

const COMM: &str = "other-errnos";

fn counted(tests: &Tests, style: &str) -> Result<()> {
    // A thread has its process's signal handlers, a process may not share them alone: EINVAL, by
    // copy_process(). The one that isn't asked for comes after them.
    let wrong = [libc::CLONE_THREAD, libc::CLONE_SIGHAND | libc::SIGCHLD];
    let uid = tests.place.uid(123);
    let refused = |comm: &str| {
        Actor::start(comm, |link| {
            sys::limit_nproc(1, 1)?;
            sys::become_uid(uid)?;
            link.step();
            let others = wrong.map(by_clone);
            link.ready([&others[..], &[by_clone(libc::SIGCHLD)]].concat());
            Ok(())
        })
    };
    let (mut wanted, _) = refused(COMM)?;
    let (mut unwanted, _) = refused("not-asked-for")?;
    let mut of_comm = record(tests, &["--attach", style, "--comm", COMM])?;
    for actor in [&mut wanted, &mut unwanted] {
        let errnos: Vec<i32> = actor.go()?.attempts.iter().map(|a| a.errno).collect();
        ensure!(
            errnos == [libc::EINVAL, libc::EINVAL, libc::EAGAIN],
            "answered {errnos:?}"
        );
    }
    let summary = of_comm.end()?;
    ensure!(
        summary.failures == 1 && summary.other_errnos == Some(2),
        "{summary:?}"
    );
    Ok(())
}
