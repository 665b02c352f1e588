//! What is asked ahead: of a start or a login to come, of more tasks, and in one line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys;
use serde_json::Value;

use super::{check, row};
use crate::actor::Prober;
use crate::attempt::Kind;
use crate::behaviour::{forktrace, in_own_mounts, provoke, under_systemd};
use crate::runner::Tests;
use crate::sleepers::Sleepers;

/// The task that is told is the one that the kernel refuses.
pub(super) fn would(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-would")?;
    let home = tree.at(&["a", "b"])?;
    let _others = Sleepers::start(4, || Ok(home.enter()?))?;
    let mut prober = Prober::start("check-would", Kind::PLAIN, 1, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    // 5 tasks each; the outer one has less room.
    tree.at(&["a"])?.limit(12)?;
    home.limit(15)?;
    let (inner, outer) = (home.shown(), tree.at(&["a"])?.shown());
    let asked = |more: &str, status| check(tests, &["--cgroup", &inner, "--would", more], status);
    ensure!(asked("7", 0)?["would"]["refused"] == Value::Array(Vec::new()));
    let value = asked("20", 1)?;
    let refused = &value["would"]["refused"];
    let one = |at: usize| (&refused[at]["scope"], &refused[at]["first"]);
    ensure!(one(0) == (&outer.into(), &8.into()), "{refused}");
    ensure!(one(1) == (&inner.clone().into(), &11.into()), "{refused}");
    let seven = Sleepers::start(7, || Ok(home.enter()?))?;
    provoke(&mut prober)?;
    drop(seven);
    let text = forktrace(tests, &["check", "--cgroup", &inner, "--would", "8"], 1)?;
    let printed = text.printed();
    ensure!(
        printed.contains("no. 8, the last, would be refused by"),
        "{printed}"
    );
    Ok(())
}

/// One line, and the exit status that it tells.
pub(super) fn short(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-short")?;
    let home = tree.at(&["a"])?;
    let _others = Sleepers::start(19, || Ok(home.enter()?))?;
    let path = home.shown();
    for (limit, status, wanted) in [
        (20, 1, "forktrace WARNING: pids.max of "),
        (1000, 0, "forktrace OK: nothing at 90 % or above"),
    ] {
        home.limit(limit)?;
        let printed = forktrace(tests, &["check", "--cgroup", &path, "--short"], status)?.printed();
        ensure!(printed.lines().count() == 1, "{printed}");
        ensure!(printed.starts_with(wanted), "{printed}");
    }
    home.limit(20)?;
    let printed = forktrace(tests, &["check", "--all", "--cgroup", &path], 1)?.printed();
    let bars = printed.lines().filter(|line| line.contains('█'));
    ensure!(bars.count() >= 2, "{printed}");
    Ok(())
}

/// Files that nobody else sees: a user's limits.d, and a unit that isn't running.
pub(super) fn next(tests: &Tests) -> Result<()> {
    in_own_mounts(|| next_here(tests))
}

fn next_here(tests: &Tests) -> Result<()> {
    let uid = tests.place.uid(151);
    fs::create_dir_all("/etc")?;
    sys::mount("none", Path::new("/etc"), "tmpfs", "")?;
    under_systemd()?;
    let put = |file: &str, text: &str| -> Result<()> {
        fs::create_dir_all(Path::new(file).parent().context("a folder")?)?;
        Ok(fs::write(file, text)?)
    };
    put(
        "/etc/passwd",
        &format!("root:x:0:0::/:\nahead:x:{uid}:{uid}::/:\n"),
    )?;
    put(
        "/etc/security/limits.d/90-x.conf",
        "ahead soft nproc 7\n* - nproc 9\n",
    )?;
    let _running = Sleepers::start(6, || Ok(sys::become_uid(uid)?))?;
    let scope = format!("uid {uid}");
    let value = check(tests, &["--user", "ahead", "--warn", "80"], 1)?;
    let rows = value["limits"].as_array().context("limits")?;
    let next = |kind: &str| rows.iter().find(|row| row["next"] == kind);
    let login = next("login").context("no row of a login")?;
    ensure!(login["value"] == 7 && login["usage"] == 6, "{login}");
    let note = login["notes"][0].as_str().unwrap_or_default();
    ensure!(
        note.contains("`ahead soft nproc 7` in /etc/security/limits.d/90-x.conf"),
        "{note}"
    );
    // What runs has what it had.
    ensure!(row(&value, "RLIMIT_NPROC", &scope)?["value"] != 7 || rows.len() > 1);
    let unit = format!("forktrace-ahead-{}.service", std::process::id());
    let file = format!("/run/systemd/system/{unit}");
    put(&file, "[Service]\nUser=ahead\nTasksMax=11\nLimitNPROC=6\n")?;
    let value = check(tests, &["--unit", &unit], 1)?;
    let rows = value["limits"].as_array().context("limits")?;
    let start = |name: &str| {
        let mut starts = rows.iter().filter(|row| row["next"] == "start");
        starts
            .find(|row| row["name"] == name)
            .with_context(|| format!("no {name} of a start in {value}"))
    };
    let tasks = start("pids.max")?;
    ensure!(tasks["value"] == 11 && tasks["usage"] == 0, "{tasks}");
    let nproc = start("RLIMIT_NPROC")?;
    ensure!(nproc["value"] == 6 && nproc["usage"] == 6, "{nproc}");
    let refused = check(tests, &["--unit", &unit, "--would", "1"], 1)?;
    ensure!(
        refused["would"]["refused"][0]["name"] == "RLIMIT_NPROC",
        "{refused}"
    );
    Ok(())
}
