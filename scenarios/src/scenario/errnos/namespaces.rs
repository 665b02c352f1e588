//! Limits on namespaces, their nesting, and who may make them.

use std::fs;

use anyhow::{Context, Result};
use forktrace::cause::Cause;
use forktrace::provoke::sys;
use forktrace::record::Unit;

use super::{by_clone, expect_all, host, own};
use crate::actor::Link;
use crate::attempt::{Attempt, CloneArgs};
use crate::expect::{Expect, Number, Scope, WantedLimit};
use crate::scenario::{Place, Run, Scenario, skip};
use crate::setting;
use crate::sleepers::Sleepers;

pub(super) const SCENARIOS: &[Scenario] = &[
    host("max_user_namespaces", |place| users(place, 71, 71)),
    host("max_user_namespaces_euid", |place| users(place, 72, 73)),
    own("max_namespaces_in_userns", in_userns),
    own("max_namespaces_of_parent", of_parent),
    host("max_namespaces_two_full", two_full),
    own("userns_depth", userns_depth),
    own("pidns_depth", pidns_depth),
    own("cap_sys_admin", cap_sys_admin),
    host("userns_clone_off", userns_clone_off),
    own("userns_in_chroot", userns_in_chroot),
];

/// Which namespaces a user has no room for. Where their counts can't be read nothing may be named.
fn expect_full(
    run: &mut Run,
    comm: &str,
    counted: bool,
    adapt: impl Fn(Expect, &[u64]) -> Expect,
    body: impl FnOnce(&Link) -> Result<(Vec<u64>, Vec<Attempt>)>,
) -> Result<()> {
    let adapt = |expect: Expect, numbers: &[u64]| match adapt(expect, numbers) {
        wanted if counted => wanted,
        wanted => wanted.unknown(),
    };
    expect_all(run, comm, libc::ENOSPC, Cause::MaxNamespaces, adapt, body)
}

fn limit(name: &'static str, scope: String, value: u64, usage: u64) -> WantedLimit {
    WantedLimit {
        name: Some(name),
        scope: Scope::Exact(scope),
        value: Number::Exact(value),
        usage: Number::Exact(usage),
        unit: Some(Unit::Namespaces),
        file: None,
    }
}

/// A user's user namespaces, counted by effective uid.
fn users(place: &Place, real: u32, effective: u32) -> Result<Run> {
    const HELD: u64 = 3;
    let (real, effective) = (place.uid(real), place.uid(effective));
    let mut run = Run::default();
    let sleepers = Sleepers::start(HELD, || {
        sys::become_uid(effective)?;
        Ok(sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?)
    })?;
    let sysctl = setting::set("user/max_user_namespaces", HELD)?;
    // A process has the counts of its real uid at hand.
    let counted = match real == effective {
        true => sys::namespaces_are_counted()?,
        false => sys::ucounts_table_is_shown()?,
    };
    expect_full(
        &mut run,
        "max-userns",
        counted,
        |e, _| {
            e.uid(real).euid(effective).limit(limit(
                "user.max_user_namespaces",
                format!("uid {effective}"),
                HELD,
                HELD,
            ))
        },
        |_| {
            sys::become_uids(real, effective, effective)?;
            let all = [
                libc::CLONE_NEWUSER,
                libc::CLONE_NEWUSER | libc::CLONE_NEWPID,
            ];
            Ok((
                Vec::new(),
                all.map(|f| by_clone(f | libc::SIGCHLD)).to_vec(),
            ))
        },
    )?;
    drop(sysctl);
    run.keep(sleepers);
    Ok(run)
}

/// Bounds that a user namespace's own root has set.
fn in_userns(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let counted = sys::namespaces_are_counted()?;
    // Of some the caller has one already.
    for (kind, name, flag, held) in [
        ("uts", "user.max_uts_namespaces", libc::CLONE_NEWUTS, 1),
        ("ipc", "user.max_ipc_namespaces", libc::CLONE_NEWIPC, 1),
        ("mnt", "user.max_mnt_namespaces", libc::CLONE_NEWNS, 1),
        ("net", "user.max_net_namespaces", libc::CLONE_NEWNET, 1),
        ("pid", "user.max_pid_namespaces", libc::CLONE_NEWPID, 0),
        (
            "cgroup",
            "user.max_cgroup_namespaces",
            libc::CLONE_NEWCGROUP,
            0,
        ),
    ] {
        let uid = place.uid(74);
        expect_full(
            &mut run,
            &format!("max-{kind}"),
            counted,
            |e, numbers| {
                let scope = format!("user namespace {}", numbers[0]);
                e.uid(uid).limit(limit(name, scope, held, held))
            },
            |_| {
                sys::become_uid(uid)?;
                sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
                let file = format!("/proc/sys/user/max_{kind}_namespaces");
                fs::write(&file, held.to_string()).with_context(|| format!("write {file}"))?;
                if held > 0 {
                    sys::unshare(flag, kind)?;
                }
                let namespace = sys::namespace("user")?;
                Ok((vec![namespace], vec![by_clone(flag | libc::SIGCHLD)]))
            },
        )?;
    }
    Ok(run)
}

/// The bound of the user namespace above: the caller's own has none.
fn of_parent(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(75);
    expect_full(
        &mut run,
        "max-parent",
        sys::namespaces_are_counted()?,
        |e, numbers| {
            let scope = format!("user namespace {}", numbers[0]);
            e.uid(uid)
                .limit(limit("user.max_uts_namespaces", scope, 0, 0))
        },
        |_| {
            sys::become_uid(uid)?;
            sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            map_own(uid)?;
            fs::write("/proc/sys/user/max_uts_namespaces", "0").context("max_uts_namespaces")?;
            let above = sys::namespace("user")?;
            sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
            let attempts = [
                libc::CLONE_NEWUTS,
                // Charged to a user namespace that doesn't come to be.
                libc::CLONE_NEWUTS | libc::CLONE_NEWUSER,
            ];
            map_own(0)?;
            Ok((
                vec![above],
                attempts.map(|f| by_clone(f | libc::SIGCHLD)).to_vec(),
            ))
        },
    )?;
    Ok(run)
}

/// The user namespace, of which there could be one, is made, and given up with
/// what was refused after it; while it is cleared away it still counts.
fn two_full(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(76);
    let users = setting::set("user/max_user_namespaces", 1)?;
    let pids = setting::set("user/max_pid_namespaces", 0)?;
    expect_full(
        &mut run,
        "two-full",
        sys::namespaces_are_counted()?,
        |e, _| {
            // In the tracepoint style nothing shows which of the two it was.
            e.uid(uid).may_be_unknown().limit(limit(
                "user.max_pid_namespaces",
                format!("uid {uid}"),
                0,
                0,
            ))
        },
        |_| {
            sys::become_uid(uid)?;
            let flags = libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::SIGCHLD;
            Ok((Vec::new(), vec![by_clone(flags)]))
        },
    )?;
    drop((users, pids));
    Ok(run)
}

/// Maps the caller's only id, `outside` in the user namespace above, to 0.
fn map_own(outside: u32) -> Result<()> {
    // Files of a process that has changed its uid are root's otherwise.
    sys::own_proc_files();
    // Before an unprivileged gid_map (user_namespaces(7)).
    let _ = fs::write("/proc/self/setgroups", "deny");
    for file in ["/proc/self/uid_map", "/proc/self/gid_map"] {
        fs::write(file, format!("0 {outside} 1")).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}

fn levels(value: u64) -> WantedLimit {
    WantedLimit {
        name: None,
        scope: Scope::Exact("process".to_owned()),
        value: Number::Exact(value),
        usage: Number::Exact(value),
        unit: Some(Unit::Levels),
        file: None,
    }
}

fn userns_depth(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    expect_all(
        &mut run,
        "userns-depth",
        libc::ENOSPC,
        Cause::UserNamespaceLevel,
        |e, _| e.limit(levels(33)),
        |_| {
            for level in 0..33 {
                sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")
                    .with_context(|| format!("at level {level}"))?;
                map_own(0)?;
            }
            let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
            Ok((Vec::new(), vec![by_clone(flags)]))
        },
    )?;
    Ok(run)
}

fn pidns_depth(_: &Place) -> Result<Run> {
    let mut run = Run::default();
    expect_all(
        &mut run,
        "pidns-depth",
        libc::ENOSPC,
        Cause::PidNamespaceLevel,
        |e, numbers| e.pid(numbers[0]).limit(levels(32)),
        |_| {
            for level in 0..32 {
                sys::enter_pid_namespace(0).with_context(|| format!("at level {level}"))?;
            }
            // /proc is the initial namespace's.
            let own = fs::read_link("/proc/self").context("/proc/self")?;
            let own = own.to_string_lossy().parse()?;
            let flags = libc::CLONE_NEWPID | libc::SIGCHLD;
            Ok((vec![own], vec![by_clone(flags)]))
        },
    )?;
    Ok(run)
}

fn cap_sys_admin(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(77);
    expect_all(
        &mut run,
        "cap-sys-admin",
        libc::EPERM,
        Cause::CapSysAdmin,
        |e, _| e.uid(uid),
        |_| {
            sys::become_uid(uid)?;
            let by_clone3 = super::by_clone3(&CloneArgs {
                flags: libc::CLONE_NEWUTS as u64,
                exit_signal: libc::SIGCHLD as u64,
                ..CloneArgs::default()
            });
            let by_clone = by_clone(libc::CLONE_NEWNS | libc::SIGCHLD);
            Ok((Vec::new(), vec![by_clone, by_clone3]))
        },
    )?;
    Ok(run)
}

fn userns_clone_off(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    let uid = place.uid(78);
    let Ok(sysctl) = setting::set("kernel/unprivileged_userns_clone", 0) else {
        return skip("this kernel has no kernel.unprivileged_userns_clone");
    };
    expect_all(
        &mut run,
        "userns-off",
        libc::EPERM,
        Cause::UnprivilegedUserns,
        |e, _| e.uid(uid),
        |_| {
            sys::become_uid(uid)?;
            let flags = libc::CLONE_NEWUSER | libc::SIGCHLD;
            Ok((Vec::new(), vec![by_clone(flags)]))
        },
    )?;
    run.keep(sysctl);
    Ok(run)
}

/// Nobody gets a user namespace in a chroot, not even root.
fn userns_in_chroot(place: &Place) -> Result<Run> {
    let mut run = Run::default();
    for uid in [0, place.uid(79)] {
        expect_all(
            &mut run,
            "userns-chroot",
            libc::EPERM,
            Cause::Chroot,
            |e, _| e.uid(uid).inferred(),
            |_| {
                std::os::unix::fs::chroot("/proc").context("chroot")?;
                if uid != 0 {
                    sys::become_uid(uid)?;
                }
                let all = [
                    libc::CLONE_NEWUSER,
                    libc::CLONE_NEWUSER | libc::CLONE_NEWNET,
                ];
                let attempts = all.map(|f| by_clone(f | libc::SIGCHLD));
                Ok((Vec::new(), attempts.to_vec()))
            },
        )?;
    }
    Ok(run)
}
