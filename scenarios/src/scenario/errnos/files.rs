//! File descriptors: none is free, one is too high, one names no cgroup that
//! takes the child.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use forktrace::cause::Cause;
use forktrace::provoke::sys::{self, Resource};
use forktrace::record::Unit;

use super::{by_clone3, expect_all, host, own};
use crate::attempt::{Attempt, CloneArgs, Kind, attempt, attempt_into_cgroup};
use crate::cgroup::Cgroup;
use crate::expect::{Number, Scope, WantedLimit};
use crate::scenario::{Place, Run, Scenario, skip};
use crate::setting;

pub(crate) const SCENARIOS: &[Scenario] = &[
    own("pidfd_nofile", pidfd),
    host("pidfd_file_max", pidfd_file_max),
    host("nr_open", nr_open),
    own("into_no_cgroup", into_no_cgroup),
    own("into_foreign_cgroup", into_foreign_cgroup),
    host("into_inner_cgroup", into_inner_cgroup),
    own("into_invalid_domain", into_invalid_domain),
    own("into_gone_cgroup", into_gone_cgroup),
];

/// CLONE_PIDFD (include/uapi/linux/sched.h).
const CLONE_PIDFD: u64 = 0x1000;

fn pidfd(place: &Place) -> Result<Run> {
    const FILES: u64 = 23;
    let mut run = Run::default();
    let uid = place.uid(82);
    expect_all(
        &mut run,
        "pidfd-nofile",
        libc::EMFILE,
        Cause::RlimitNofile,
        |e, _| {
            e.uid(uid).limit(WantedLimit {
                name: Some("RLIMIT_NOFILE"),
                scope: Scope::Exact("process".to_owned()),
                value: Number::Exact(FILES),
                usage: Number::Exact(FILES),
                unit: Some(Unit::Descriptors),
                file: None,
            })
        },
        |_| {
            sys::become_uid(uid)?;
            sys::limit(Resource::Nofile, FILES, FILES)?;
            sys::fill_descriptors();
            // A fork needs none.
            if attempt(Kind::PLAIN).errno != 0 {
                bail!("a plain fork without free descriptors was refused");
            }
            Ok((Vec::new(), vec![with_pidfd()]))
        },
    )?;
    Ok(run)
}

pub(crate) fn with_pidfd() -> Attempt {
    let mut pidfd = 0i32;
    by_clone3(&CloneArgs {
        flags: CLONE_PIDFD,
        pidfd: (&raw mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    })
}

/// The host has more files open than fs.file-max allows, which root may.
fn pidfd_file_max(place: &Place) -> Result<Run> {
    const FILES: u64 = 10;
    let mut run = Run::default();
    let uid = place.uid(84);
    let sysctl = setting::keep("fs/file-max")?;
    expect_all(
        &mut run,
        "pidfd-file-max",
        libc::ENFILE,
        Cause::FileMax,
        |e, _| {
            e.uid(uid).limit(WantedLimit {
                name: Some("fs.file-max"),
                scope: Scope::Exact("host".to_owned()),
                value: Number::Exact(FILES),
                usage: Number::AtLeast(FILES),
                unit: Some(Unit::Files),
                file: Some(PathBuf::from("/proc/sys/fs/file-max")),
            })
        },
        |_| {
            sysctl.change(FILES)?;
            if with_pidfd().errno != 0 {
                bail!("root was refused a pidfd at fs.file-max");
            }
            sys::become_uid(uid)?;
            Ok((Vec::new(), vec![with_pidfd()]))
        },
    )?;
    run.keep(sysctl);
    Ok(run)
}

fn nr_open(_: &Place) -> Result<Run> {
    const BOUND: u64 = 1024;
    let mut run = Run::default();
    let sysctl = setting::keep("fs/nr_open")?;
    expect_all(
        &mut run,
        "nr-open",
        libc::EMFILE,
        Cause::NrOpen,
        |e, _| {
            e.limit(WantedLimit {
                name: Some("fs.nr_open"),
                scope: Scope::Exact("host".to_owned()),
                value: Number::Exact(BOUND),
                usage: Number::Any,
                unit: Some(Unit::Descriptors),
                file: None,
            })
        },
        |_| {
            sys::limit(Resource::Nofile, 4096, 4096)?;
            sys::open_at(1500)?;
            sysctl.change(BOUND)?;
            let attempts = vec![attempt(Kind::PLAIN), attempt(Kind::CloneProcess)];
            // A thread shares the table.
            if attempt(Kind::CloneThread).errno != 0 {
                bail!("a thread was refused for a high descriptor");
            }
            Ok((Vec::new(), attempts))
        },
    )?;
    run.keep(sysctl);
    Ok(run)
}

/// How many descriptors that are none. Kernels of PREEMPT_RT skip a program now and then, and what one of so
/// many has left is then not seen.
fn descriptors() -> i32 {
    let version = fs::read_to_string("/proc/version").unwrap_or_default();
    if version.contains("PREEMPT_RT") {
        8
    } else {
        400
    }
}

/// Descriptors that are none, and one of a folder that is no cgroup.
fn into_no_cgroup(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    expect_all(
        &mut run,
        "into-no-cgroup",
        libc::EBADF,
        Cause::CloneIntoCgroup,
        |e, _| e,
        |_| {
            let open = File::open("/tmp").context("open /tmp")?;
            // Far behind the end of the caller's table, too: what lies there is not the caller's.
            let none = (0..descriptors()).map(|at| 937 + at * 101);
            let all = none.chain([open.as_raw_fd()]);
            Ok((Vec::new(), all.map(attempt_into_cgroup).collect()))
        },
    )?;
    Ok(run)
}

/// A cgroup that a user may not write to.
fn into_foreign_cgroup(place: &Place) -> Result<Run> {
    if !place.cgroups.pids_is_v2 {
        return skip("the pids controller is not in the v2 hierarchy");
    }
    let mut run = Run::default();
    let uid = place.uid(83);
    let tree = place.cgroups.tree("foreign")?;
    let target = tree.at(&["target"])?;
    expect_all(
        &mut run,
        "into-foreign",
        libc::EACCES,
        Cause::CloneIntoCgroup,
        // A security module could have answered so.
        |e, _| {
            let delegate = format!("delegate {} to the caller", target.shown());
            e.uid(uid).may_be_unknown().says(&delegate)
        },
        |_| {
            sys::become_uid(uid)?;
            into(&target)
        },
    )?;
    run.keep(tree);
    Ok(run)
}

/// A cgroup that has a controller on for its children, and so no tasks. Its folder is closed again
/// before anybody could look who holds it open.
fn into_inner_cgroup(place: &Place) -> Result<Run> {
    if !place.cgroups.pids_is_v2 {
        return skip("the pids controller is not in the v2 hierarchy");
    }
    let mut run = Run::default();
    let tree = place.cgroups.tree("inner")?;
    let target = tree.at(&["target"])?;
    let top = tree.top();
    let root = top.dir.parent().context("the hierarchy's root")?;
    // pids would not do: a cgroup with threaded controllers takes tasks.
    for dir in [root, &top.dir, &target.dir] {
        let file = dir.join("cgroup.subtree_control");
        if fs::write(&file, "+memory").is_err() {
            return skip("no memory controller in the v2 hierarchy");
        }
    }
    expect_all(
        &mut run,
        "into-inner",
        libc::EBUSY,
        Cause::CloneIntoCgroup,
        |e, _| {
            let path = target.shown();
            e.says(&format!("the cgroup {path} that it should go into"))
                .says(&format!("a child of {path}"))
                .says("which has: memory")
        },
        |_| into(&target),
    )?;
    run.keep(tree);
    Ok(run)
}

/// A cgroup beside a threaded one: it is no domain as long as it is not threaded itself
/// (Documentation/admin-guide/cgroup-v2.rst, "Threads").
fn into_invalid_domain(place: &Place) -> Result<Run> {
    if !place.cgroups.pids_is_v2 {
        return skip("the pids controller is not in the v2 hierarchy");
    }
    let mut run = Run::default();
    let tree = place.cgroups.tree("domains")?;
    let (threaded, target) = (tree.at(&["threaded"])?, tree.at(&["target"])?);
    fs::write(threaded.dir.join("cgroup.type"), "threaded").context("make a cgroup threaded")?;
    expect_all(
        &mut run,
        "into-invalid",
        libc::EOPNOTSUPP,
        Cause::CloneIntoCgroup,
        |e, _| {
            let path = target.shown();
            e.says(&format!("the cgroup {path} that it should go into"))
                .says(&format!("cgroup.type of {path}"))
        },
        |_| into(&target),
    )?;
    run.keep(tree);
    Ok(run)
}

/// A cgroup that was removed after its folder was opened: nothing is left to be named.
fn into_gone_cgroup(place: &Place) -> Result<Run> {
    if !place.cgroups.pids_is_v2 {
        return skip("the pids controller is not in the v2 hierarchy");
    }
    let mut run = Run::default();
    let tree = place.cgroups.tree("gone")?;
    let target = tree.at(&["target"])?;
    expect_all(
        &mut run,
        "into-gone",
        libc::ENOENT,
        Cause::CloneIntoCgroup,
        |e, _| e.says("the cgroup that it should go into (CLONE_INTO_CGROUP) has been removed"),
        |_| {
            let open = File::open(&target.dir).context("open the target cgroup")?;
            fs::remove_dir(&target.dir).context("remove the target cgroup")?;
            Ok((Vec::new(), vec![attempt_into_cgroup(open.as_raw_fd())]))
        },
    )?;
    run.keep(tree);
    Ok(run)
}

/// One attempt to create a child there, with a folder that is open for the call alone.
fn into(target: &Cgroup) -> Result<(Vec<u64>, Vec<Attempt>)> {
    let open = File::open(&target.dir).context("open the target cgroup")?;
    let attempt = attempt_into_cgroup(open.as_raw_fd());
    drop(open);
    Ok((Vec::new(), vec![attempt]))
}
