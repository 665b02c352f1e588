//! What the call asks for can't be had: ids, flags.

use anyhow::Result;
use forktrace::cause::Cause;

use super::{by_clone, by_clone3, expect_all, own};
use crate::attempt::{Attempt, CloneArgs, THREAD_FLAGS};
use crate::scenario::{Place, Run, Scenario, pid_namespace_dead};
use crate::sys;

pub const SCENARIOS: &[Scenario] = &[
    own("set_tid", set_tid),
    own("clone_flags", flags),
    own("clone_flags_other_pidns", other_pid_namespace),
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
