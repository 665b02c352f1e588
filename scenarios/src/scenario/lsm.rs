//! `lsm`: a security module refuses.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::Errno;

use super::errnos::files::with_pidfd;
use super::errnos::{by_clone, expect_all};
use super::{Place, Reach, Run, Scenario, probers, skip};
use crate::attempt::{Attempt, Kind};
use crate::bpf_lsm::{self, Refusal};
use crate::expect::Expect;
use crate::machine::counts_skipped_kprobes;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "lsm_eagain",
        reach: Reach::Host,
        run: |place| refused(place, "lsa", place.uid(62), libc::EAGAIN),
    },
    Scenario {
        name: "lsm_enomem",
        reach: Reach::Host,
        run: |place| refused(place, "lsm", place.uid(63), libc::ENOMEM),
    },
    Scenario {
        name: "lsm_userns",
        reach: Reach::Host,
        run: |place| {
            // That no child was made is known where a probe's silence counts.
            let named = silence_counts();
            beside(place.uid(166), "userns_create", named, || {
                by_clone(libc::CLONE_NEWUSER | libc::SIGCHLD)
            })
        },
    },
    Scenario {
        name: "lsm_pidfd",
        reach: Reach::Host,
        run: |place| {
            // Since 6.9 a pidfd is opened as a file of pidfs; later kernels keep BPF from the first.
            let hook = match sys::kernel() >= (6, 9) {
                true => "file_open",
                false => "file_alloc_security",
            };
            beside(place.uid(167), hook, true, with_pidfd)
        },
    },
];

/// Whether it means something that a kprobe didn't run: of the kernels that the tests boot, those with
/// PREEMPT_RT preempt themselves and, before 6.7, skip kprobes uncounted.
fn silence_counts() -> bool {
    let version = std::fs::read_to_string("/proc/version").unwrap_or_default();
    !version.contains("PREEMPT_RT") || counts_skipped_kprobes()
}

/// A module that refuses what is asked for beside the task, with the errno of limits; the caller's own
/// limit is full as well but for one task.
fn beside(uid: u32, hook: &str, named: bool, ask: fn() -> Attempt) -> Result<Run> {
    if !bpf_lsm::active() {
        return skip("bpf is none of this kernel's security modules");
    }
    if !bpf_lsm::has_hook(hook) {
        return skip("this kernel has no such hook");
    }
    let mut run = Run::default();
    let refusal = Refusal::at(hook, uid, libc::EAGAIN)?;
    expect_all(
        &mut run,
        "lsm-beside",
        libc::EAGAIN,
        Cause::Lsm,
        |expect, _| match named {
            true => expect.uid(uid).inferred().may_be_unknown(),
            false => expect.uid(uid).unknown(),
        },
        |_| {
            sys::limit_nproc(2, 2)?;
            sys::become_uid(uid)?;
            Ok((Vec::new(), (0..3).map(|_| ask()).collect()))
        },
    )?;
    run.keep(refusal);
    Ok(run)
}

fn refused(place: &Place, tag: &str, uid: u32, errno: i32) -> Result<Run> {
    if !bpf_lsm::active() {
        return skip("bpf is none of this kernel's security modules");
    }
    let mut run = Run::default();
    let silence_counts = silence_counts();
    let mut callers = probers(tag, Kind::ALL, place.count, || Ok(sys::become_uid(uid)?))?;
    let refusal = Refusal::new(uid, errno)?;
    run.fire(&mut callers, |p, a| {
        // ENOMEM can be that of an allocation. EAGAIN is told apart from an execve's in another
        // thread where it is seen that the modules weren't undone.
        let certain = errno == libc::EAGAIN && (silence_counts || !a.kind.is_thread());
        let cause = if certain { Cause::Lsm } else { Cause::Unknown };
        let mut expect = Expect::of(&p.actor, a, cause).uid(uid);
        expect.errno = Errno::from_number(errno).unwrap_or(Errno::EAGAIN);
        if certain {
            expect.may_be_unknown()
        } else {
            expect.unknown()
        }
    })?;
    run.keep(refusal);
    run.keep(callers);
    Ok(run)
}
