//! `check`: limits and their use against what the kernel really refuses.

mod host;
mod wrong;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Behaviour, forktrace, no_panic, provoke};
use crate::actor::{Actor, Prober, Sleepers};
use crate::attempt::Kind;
use crate::cgroup::Tree;
use crate::runner::Tests;
use crate::scenario::must_succeed;
use crate::sys;
use crate::tracer::Running;

pub const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "check_healthy",
        run: host::healthy,
    },
    Behaviour {
        name: "check_pid_max_95_percent",
        run: host::pid_max,
    },
    Behaviour {
        name: "check_strict_overcommit",
        run: host::overcommit,
    },
    Behaviour {
        name: "check_cgroup_three_levels_up",
        run: above,
    },
    Behaviour {
        name: "check_unit",
        run: unit,
    },
    Behaviour {
        name: "check_nproc_is_what_the_kernel_counts",
        run: nproc,
    },
    Behaviour {
        name: "check_nproc_user_namespace",
        run: nested,
    },
    Behaviour {
        name: "check_dead_pid_namespace",
        run: dead_pid_namespace,
    },
    Behaviour {
        name: "check_kernel_log",
        run: host::kernel_log,
    },
    Behaviour {
        name: "check_baseline",
        run: host::baseline,
    },
];

pub const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "check_zombies",
        run: zombies,
    },
    Behaviour {
        name: "check_unprivileged",
        run: wrong::unprivileged,
    },
    Behaviour {
        name: "check_wrong_usage",
        run: wrong::names,
    },
    Behaviour {
        name: "check_baseline_files",
        run: wrong::files,
    },
    Behaviour {
        name: "check_watch",
        run: wrong::watch,
    },
];

/// The object that `check --format json` prints, and the wanted status.
fn check(tests: &Tests<'_>, arguments: &[&str], status: i32) -> Result<Value> {
    let all = [&["check", "--format", "json"], arguments].concat();
    object(&forktrace(tests, &all, status)?)
}

fn object(running: &Running) -> Result<Value> {
    no_panic(&running.said())?;
    let printed = running.printed();
    ensure!(printed.lines().count() == 1, "no one line: {printed}");
    let value: Value = serde_json::from_str(&printed)?;
    ensure!(value["check"] == 1, "{value}");
    Ok(value)
}

/// A row with these, or what there is.
fn row<'a>(value: &'a Value, name: &str, scope: &str) -> Result<&'a Value> {
    let rows = ["limits", "unlimited"]
        .iter()
        .filter_map(|list| value[list].as_array())
        .flatten();
    let mut wanted = rows.filter(|row| row["name"] == name && row["scope"] == scope);
    wanted
        .next()
        .with_context(|| format!("no {name} of {scope} in {value}"))
}

fn numbers(row: &Value, usage: u64, value: u64) -> Result<()> {
    ensure!(
        row["usage"] == usage && row["value"] == value,
        "wanted {usage} of {value}: {row}"
    );
    Ok(())
}

fn pid_of(value: i32) -> String {
    value.to_string()
}

/// 19 tasks; the limit of 20 is three levels up.
fn above(tests: &Tests<'_>) -> Result<()> {
    let tree = Tree::new(&tests.place.cgroups, "check")?;
    let home = tree.at(&["a", "b", "c"])?;
    tree.at(&["a"])?.limit(1000)?;
    let _others = Sleepers::start(18, || home.enter())?;
    let (actor, _) = Actor::start("check-above", |link| {
        home.enter()?;
        link.step();
        Ok(())
    })?;
    tree.top().limit(20)?;
    let top = tree.top().shown();
    let pid = pid_of(actor.pid());
    let path = home.shown();
    for arguments in [["--pid", &*pid], ["--cgroup", &path]] {
        let value = check(tests, &arguments, 1)?;
        ensure!(value["near"] == 1, "{value}");
        let first = &value["limits"][0];
        ensure!(first["scope"] == *top, "nearest is {first}");
        numbers(first, 19, 20)?;
        ensure!(first["percent"] == 95.0, "{first}");
        ensure!(first["cause"] == "cgroup_pids_max", "{first}");
        let file = tree.top().limit_file();
        ensure!(first["file"] == *file.to_string_lossy(), "{first}");
        let own = row(&value, "pids.max", &path)?;
        ensure!(own["value"].is_null() && own["usage"] == 19, "{own}");
        numbers(
            row(&value, "pids.max", &tree.at(&["a"])?.shown())?,
            19,
            1000,
        )?;
        check(tests, &[&arguments[..], &["--warn", "95.1"]].concat(), 0)?;
    }
    // By its folder, and in words.
    let folder = home.dir.to_string_lossy().into_owned();
    let running = forktrace(tests, &["check", "--cgroup", &folder], 1)?;
    let printed = running.printed();
    let wanted = format!("pids.max of {top} is 95 % full: 19 of 20 tasks");
    let two: String = printed.lines().take(3).collect::<Vec<_>>().join(" ");
    ensure!(two.contains(&wanted), "no {wanted:?} at the top: {printed}");
    ensure!(
        printed.contains("forktrace explain cgroup_pids_max"),
        "{printed}"
    );
    Ok(())
}

/// By a unit's name: its limit, and the process that was started first.
fn unit(tests: &Tests<'_>) -> Result<()> {
    let tree = Tree::new(&tests.place.cgroups, "check-unit")?;
    let name = format!("forktrace-check-{}.service", std::process::id());
    let home = tree.at(&["system.slice", &name])?;
    let (main, _) = Actor::start("check-main", |link| {
        home.enter()?;
        let _workers = Sleepers::start(8, || Ok(()))?;
        link.step();
        Ok(())
    })?;
    home.limit(10)?;
    let value = check(tests, &["--unit", &name], 1)?;
    ensure!(value["of"]["kind"] == "unit", "{}", value["of"]);
    ensure!(value["of"]["name"] == *name, "{}", value["of"]);
    let first = row(&value, "pids.max", &home.shown())?;
    numbers(first, 9, 10)?;
    ensure!(first["owner"] == *name, "{first}");
    let process = &value["process"];
    ensure!(process["pid"] == main.pid(), "{process}");
    ensure!(process["comm"] == "check-main", "{process}");
    ensure!(process["alive"] == true, "{process}");
    ensure!(process["children"] == 8, "{process}");
    ensure!(process["zombies"] == 0, "{process}");
    Ok(())
}

/// Processes, threads: as many as the kernel counts, since the next is refused.
fn nproc(tests: &Tests<'_>) -> Result<()> {
    let uid = tests.place.uid(131);
    let be = || {
        sys::limit_nproc(10, 10)?;
        sys::become_uid(uid)
    };
    let _processes = Sleepers::start(6, be)?;
    // With its first, two tasks.
    let _threads = Sleepers::threads(1, be)?;
    let mut prober = Prober::start("check-nproc", Kind::PLAIN, 1, || {
        be()?;
        Ok(Vec::new())
    })?;
    must_succeed(&prober.fire()?)?;
    let user = uid.to_string();
    let scope = format!("uid {uid}");
    let value = check(tests, &["--user", &user], 1)?;
    let limit = row(&value, "RLIMIT_NPROC", &scope)?;
    numbers(limit, 9, 10)?;
    ensure!(limit["exempt"].is_null() && value["near"] == 1, "{value}");
    let _last = Sleepers::start(1, be)?;
    provoke(&mut prober)?;
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    numbers(row(&value, "RLIMIT_NPROC", &scope)?, 10, 10)?;
    // The same limit, and capabilities that exempt.
    let (capable, _) = Actor::start("check-capable", |link| {
        sys::limit_nproc(10, 10)?;
        sys::become_uid_with_capabilities(uid, &[])?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(capable.pid())], 0)?;
    let limit = row(&value, "RLIMIT_NPROC", &scope)?;
    numbers(limit, 11, 10)?;
    let why = limit["exempt"].as_str().unwrap_or_default();
    ensure!(why.contains("CAP_SYS_"), "{limit}");
    Ok(())
}

/// Since 5.14 a task counts with its user namespace, and with the creator's uid
/// outside; before, with its uid alone.
fn nested(tests: &Tests<'_>) -> Result<()> {
    let uid = tests.place.uid(132);
    let inside = Actor::start("check-inside", |link| {
        sys::limit_nproc(40, 40)?;
        sys::become_uid(uid)?;
        sys::unshare(libc::CLONE_NEWUSER, "CLONE_NEWUSER")?;
        link.ready(vec![sys::namespace("user")?]);
        Ok(())
    });
    let (inside, report) = match inside {
        Ok(started) => started,
        Err(error) => return crate::scenario::skip(format!("a user namespace: {error:#}")),
    };
    let namespace = report.numbers.first().context("a namespace")?;
    let _outside = Sleepers::start(3, || sys::become_uid(uid))?;
    let by_namespace = sys::kernel() >= (5, 14);
    let value = check(tests, &["--pid", &pid_of(inside.pid())], 0)?;
    let (scope, usage) = match by_namespace {
        true => (format!("uid {uid} in user namespace {namespace}"), 1),
        false => (format!("uid {uid}"), 4),
    };
    numbers(row(&value, "RLIMIT_NPROC", &scope)?, usage, 40)?;
    let hidden = value["unreadable"].to_string();
    ensure!(
        hidden.contains(&format!("uid {uid}")) == by_namespace,
        "the creator's limit: {hidden}"
    );
    if by_namespace {
        ensure!(hidden.contains("4 tasks"), "{hidden}");
    }
    let (outer, _) = Actor::start("check-outer", |link| {
        sys::limit_nproc(50, 50)?;
        sys::become_uid(uid)?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(outer.pid())], 0)?;
    numbers(row(&value, "RLIMIT_NPROC", &format!("uid {uid}"))?, 5, 50)
}

/// Every fork is refused, at whatever limits.
fn dead_pid_namespace(tests: &Tests<'_>) -> Result<()> {
    let mut prober = Prober::start("check-dead-ns", Kind::PLAIN, 1, || {
        // SAFETY: back to the default, so that the child can be waited for.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        // SAFETY: the child leaves at once.
        let init = unsafe { libc::fork() };
        sys::check(i64::from(init), "fork")?;
        if init == 0 {
            crate::actor::exit(0);
        }
        crate::attempt::reap(init);
        Ok(Vec::new())
    })?;
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    let blocked = &value["blocked"];
    ensure!(blocked[0]["cause"] == "pid_namespace_dead", "{value}");
    ensure!(value["near"] == 0, "{value}");
    provoke(&mut prober)?;
    // One that has a living init.
    let (alive, _) = Actor::start("check-alive-ns", |link| {
        sys::unshare(libc::CLONE_NEWPID, "CLONE_NEWPID")?;
        let _init = Sleepers::start(1, || Ok(()))?;
        link.step();
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(alive.pid())], 0)?;
    let blocked = value["blocked"].as_array().context("blocked")?;
    ensure!(blocked.is_empty(), "{value}");
    Ok(())
}

/// Children that have ended are told of a living process, and a zombie is no
/// living one.
fn zombies(tests: &Tests<'_>) -> Result<()> {
    let (parent, report) = Actor::start("check-parent", |link| {
        // SAFETY: back to the default, so that children stay until reaped.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        let mut pids = Vec::new();
        for _ in 0..3 {
            // SAFETY: the child leaves at once.
            let pid = unsafe { libc::fork() };
            sys::check(i64::from(pid), "fork")?;
            if pid == 0 {
                crate::actor::exit(0);
            }
            pids.push(pid as u64);
            let mut info: libc::siginfo_t = unsafe_zeroed();
            let flags = libc::WEXITED | libc::WNOWAIT;
            // SAFETY: waits for the child's end, and leaves it a zombie.
            unsafe { libc::waitid(libc::P_PID, pid as u32, &raw mut info, flags) };
        }
        link.ready(pids);
        Ok(())
    })?;
    let value = check(tests, &["--pid", &pid_of(parent.pid())], 0)?;
    let process = &value["process"];
    ensure!(process["alive"] == true, "{process}");
    ensure!(
        process["children"] == 3 && process["zombies"] == 3,
        "{process}"
    );
    let dead = report.numbers.first().context("a child")?.to_string();
    let value = check(tests, &["--pid", &dead], 0)?;
    ensure!(value["process"]["alive"] == false, "{}", value["process"]);
    let running = forktrace(tests, &["check", "--pid", &dead], 0)?;
    let wanted = format!("process {} has not reaped it", parent.pid());
    ensure!(running.printed().contains(&wanted), "{}", running.printed());
    Ok(())
}

fn unsafe_zeroed() -> libc::siginfo_t {
    // SAFETY: all-zero is a siginfo_t.
    unsafe { std::mem::zeroed() }
}

/// As another user.
fn as_user(tests: &Tests<'_>, name: &str, arguments: &[&str]) -> Result<Running> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(&tests.binary);
    command
        .arg("check")
        .args(arguments)
        .current_dir("/")
        .uid(tests.place.uid(133))
        .gid(65534);
    Running::start(&tests.scratch, name, &mut command)
}
