//! What the call asks for can't be had: ids, flags.

use anyhow::Result;
use forktrace::cause::Cause;
use forktrace::provoke::sys;

use super::{answered, by_clone, by_clone3, expect_all, own};
use crate::attempt::{Attempt, CloneArgs, Kind, THREAD_FLAGS, clone3};
use crate::scenario::{Place, Run, Scenario, pid_namespace_dead, skip};

pub(super) const SCENARIOS: &[Scenario] = &[
    own("set_tid", set_tid),
    own("clone_flags", flags),
    own("clone_flags_other_pidns", other_pid_namespace),
    own("clone_flags_7_1", flags_of_7_1),
];

fn with_ids(ids: &[i32]) -> Attempt {
    by_clone3(&CloneArgs {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: ids.as_ptr() as u64,
        set_tid_size: ids.len() as u64,
        ..CloneArgs::default()
    })
}

fn set_tid(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(80);
    let own = || std::process::id() as i32;
    expect_all(
        &mut run,
        "set-tid-in-use",
        libc::EEXIST,
        Cause::SetTidInUse,
        |e, _| e,
        |_| Ok((Vec::new(), vec![with_ids(&[own()])])),
    )?;
    expect_all(
        &mut run,
        "set-tid-invalid",
        libc::EINVAL,
        Cause::SetTidInvalid,
        |e, _| e,
        // PID_MAX_LIMIT; below 1; one more id than there are namespaces.
        |_| {
            let all = [&[4_194_304][..], &[-3], &[30_000, 30_001]];
            Ok((Vec::new(), all.map(with_ids).to_vec()))
        },
    )?;
    expect_all(
        &mut run,
        "set-tid-user",
        libc::EPERM,
        Cause::CapCheckpointRestore,
        |e, _| e.uid(uid),
        |_| {
            sys::become_uid(uid)?;
            Ok((Vec::new(), vec![with_ids(&[own()])]))
        },
    )?;
    Ok(run)
}

fn flags(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    expect_all(
        &mut run,
        "clone-flags",
        libc::EINVAL,
        Cause::CloneFlags,
        |e, _| e,
        |_| {
            let all = [
                libc::CLONE_THREAD,
                libc::CLONE_SIGHAND | libc::SIGCHLD,
                libc::CLONE_NEWNS | libc::CLONE_FS | libc::SIGCHLD,
                libc::CLONE_NEWUSER | libc::CLONE_FS | libc::SIGCHLD,
                THREAD_FLAGS | libc::CLONE_NEWPID,
                libc::CLONE_NEWIPC | libc::CLONE_SYSVSEM | libc::SIGCHLD,
            ];
            Ok((Vec::new(), all.map(by_clone).to_vec()))
        },
    )?;
    Ok(run)
}

/// Threads, where children go elsewhere.
fn other_pid_namespace(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    expect_all(
        &mut run,
        "thread-elsewhere",
        libc::EINVAL,
        Cause::CloneFlags,
        |e, _| e,
        |_| {
            pid_namespace_dead::outlive_namespace(0)?;
            Ok((Vec::new(), vec![by_clone(THREAD_FLAGS)]))
        },
    )?;
    Ok(run)
}

/// include/uapi/linux/sched.h, 7.1.
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_AUTOREAP: u64 = 1 << 34;
const CLONE_NNP: u64 = 1 << 35;
const CLONE_PIDFD_AUTOKILL: u64 = 1 << 36;
const CLONE_EMPTY_MNTNS: u64 = 1 << 37;

fn with_flags(flags: u64, exit_signal: i32) -> Attempt {
    let mut pidfd = 0i32;
    let args = CloneArgs {
        flags,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: exit_signal as u64,
        ..CloneArgs::default()
    };
    if flags & libc::CLONE_THREAD as u64 != 0 {
        answered(Kind::Clone3Thread, clone3(&args))
    } else {
        by_clone3(&args)
    }
}

fn flags_of_7_1(place: &Place) -> Result<Run> {
    if place.kernel < (7, 1) {
        return skip("clone3 refuses these flags itself before Linux 7.1");
    }
    let mut run = Run::default();
    let mut refused = |errno, inferred: bool, uid: u32, attempts: fn() -> Vec<Attempt>| {
        expect_all(
            &mut run,
            "flags-7-1",
            errno,
            Cause::CloneFlags,
            |e, _| {
                let e = e.uid(uid);
                if inferred { e.inferred() } else { e }
            },
            |_| {
                if uid != 0 {
                    sys::become_uid(uid)?;
                }
                Ok((Vec::new(), attempts()))
            },
        )
    };
    refused(libc::EINVAL, false, 0, || {
        vec![
            with_flags(CLONE_AUTOREAP | libc::CLONE_PARENT as u64, 0),
            with_flags(CLONE_NNP | THREAD_FLAGS as u64, 0),
            with_flags(CLONE_PIDFD_AUTOKILL | CLONE_PIDFD, 0),
            with_flags(CLONE_PIDFD_AUTOKILL | CLONE_AUTOREAP, 0),
            with_flags(CLONE_EMPTY_MNTNS | libc::CLONE_FS as u64, libc::SIGCHLD),
        ]
    })?;
    // No record has the exit signal.
    refused(libc::EINVAL, true, 0, || {
        vec![with_flags(CLONE_AUTOREAP, libc::SIGCHLD)]
    })?;
    // Without CAP_SYS_ADMIN.
    refused(libc::EPERM, false, place.uid(85), || {
        vec![with_flags(
            CLONE_PIDFD_AUTOKILL | CLONE_PIDFD | CLONE_AUTOREAP,
            0,
        )]
    })?;
    Ok(run)
}
