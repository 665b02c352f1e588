//! `check`: limits and their use against what the kernel really refuses.

mod ahead;
mod host;
mod process;
mod users;
mod wrong;

use std::process::Command;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;
use serde_json::Value;

use super::{Behaviour, forktrace, no_panic};
use crate::actor::Actor;
use crate::runner::Tests;
use crate::sleepers::Sleepers;
use crate::tracer::Running;

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
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
        name: "check_kernel_memory_v1",
        run: host::kernel_memory,
    },
    Behaviour {
        name: "check_nproc_is_what_the_kernel_counts",
        run: users::nproc,
    },
    Behaviour {
        name: "check_nproc_user_namespace",
        run: users::nested,
    },
    Behaviour {
        name: "check_dead_pid_namespace",
        run: process::dead_pid_namespace,
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

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "check_would",
        run: ahead::would,
    },
    Behaviour {
        name: "check_short",
        run: ahead::short,
    },
    Behaviour {
        name: "check_next",
        run: ahead::next,
    },
    Behaviour {
        name: "check_deadline",
        run: process::deadline,
    },
    Behaviour {
        name: "check_zombies",
        run: process::zombies,
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
fn check(tests: &Tests, arguments: &[&str], status: i32) -> Result<Value> {
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
fn above(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check")?;
    let home = tree.at(&["a", "b", "c"])?;
    tree.at(&["a"])?.limit(1000)?;
    let _others = Sleepers::start(18, || Ok(home.enter()?))?;
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
        // Of the nearest limit's whole subtree: the sleepers and the one that is asked about.
        let held = first["holders"].as_array().into_iter().flatten();
        let programs = held.filter(|h| h["kind"] == "program");
        let held: u64 = programs.filter_map(|h| h["tasks"].as_u64()).sum();
        ensure!(held == 19, "{held} of 19 tasks are somebody's: {first}");
        let own = row(&value, "pids.max", &path)?;
        ensure!(own["holders"] == serde_json::json!([]), "{own}");
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
        printed.contains("forktrace explain cgroup_pids_max") && printed.contains("held by"),
        "{printed}"
    );
    Ok(())
}

/// By a unit's name: its limit, and the process that was started first.
fn unit(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-unit")?;
    let name = format!("forktrace-check-{}.service", std::process::id());
    let home = tree.at(&["system.slice", &name])?;
    let (main, _) = Actor::start("check-main", |link| {
        home.enter()?;
        let _workers = Sleepers::start(8, || Ok(()))?;
        link.step();
        Ok(())
    })?;
    home.limit(12)?;
    // RLIMIT_NPROC of those that it has started as somebody else, the lowest.
    let uid = tests.place.uid(134);
    let as_other = |limit| {
        home.enter()?;
        sys::limit_nproc(limit, limit)?;
        sys::become_uid(uid)
    };
    let _roomy = Sleepers::start(1, || Ok(as_other(700)?))?;
    let _narrow = Sleepers::start(1, || Ok(as_other(600)?))?;
    let value = check(tests, &["--unit", &name], 1)?;
    numbers(row(&value, "RLIMIT_NPROC", &format!("uid {uid}"))?, 2, 600)?;
    ensure!(!row(&value, "RLIMIT_NPROC", "uid 0")?["exempt"].is_null());
    ensure!(value["of"]["kind"] == "unit", "{}", value["of"]);
    ensure!(value["of"]["name"] == *name, "{}", value["of"]);
    let first = row(&value, "pids.max", &home.shown())?;
    numbers(first, 11, 12)?;
    ensure!(first["owner"] == *name, "{first}");
    let process = &value["process"];
    ensure!(process["pid"] == main.pid(), "{process}");
    ensure!(process["comm"] == "check-main", "{process}");
    ensure!(process["alive"] == true, "{process}");
    ensure!(process["children"] == 8, "{process}");
    ensure!(process["zombies"] == 0, "{process}");
    Ok(())
}

/// As another user.
fn as_user(tests: &Tests, name: &str, arguments: &[&str]) -> Result<Running> {
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
