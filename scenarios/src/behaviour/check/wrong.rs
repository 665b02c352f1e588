//! Without privilege, with wrong names and files, and until Ctrl-C.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::Signal;
use serde_json::Value;

use super::{as_user, check, object, row};
use crate::behaviour::{forktrace, no_panic};
use crate::machine;
use crate::runner::Tests;
use crate::setting;
use crate::sleepers::Sleepers;
use crate::tracer::Running;

/// Everything that anybody may read, and the rest by its name.
pub(super) fn unprivileged(tests: &Tests) -> Result<()> {
    let mut running = as_user(tests, "unprivileged", &["--pid", "1", "--format", "json"])?;
    running.wait_for_exit(0)?;
    let value = object(&running)?;
    row(&value, "kernel.pid_max", "host")?;
    row(&value, "kernel.threads-max", "host")?;
    let limit = row(&value, "RLIMIT_NPROC", "uid 0")?;
    ensure!(limit["exempt"].is_string(), "{limit}");
    let hidden = value["unreadable"].to_string();
    ensure!(
        hidden.contains("mappings of process 1") && hidden.contains("CAP_SYS_PTRACE"),
        "{hidden}"
    );
    let restricted = setting::read("kernel/dmesg_restrict")? == 1;
    let log = &value["log"]["unreadable"];
    ensure!(log.is_string() == restricted, "log: {log}");
    let mut running = as_user(tests, "unprivileged-text", &["--warn", "1000"])?;
    running.wait_for_exit(0)?;
    let printed = running.printed();
    ensure!(printed.contains("kernel.pid_max"), "{printed}");
    ensure!(
        printed.contains("can't be read: ") == restricted,
        "{printed}"
    );
    no_panic(&running.said())
}

pub(super) fn names(tests: &Tests) -> Result<()> {
    for (arguments, wanted) in [
        (&["--pid", "4194303"][..], "no process 4194303"),
        (&["--pid", "0"], "give the number of a process"),
        (&["--cgroup", "/no/such/cgroup"], "/no/such/cgroup"),
        (&["--unit", "no-such-unit"], "no-such-unit.service"),
        (&["--user", "no-such-user"], "no-such-user"),
        (&["--pid", "1", "--user", "root"], "--user"),
        (&["--warn", "0"], "--warn"),
        (&["--watch", "0"], "--watch"),
        (&["--force"], "--save"),
    ] {
        let all = [&["check"], arguments].concat();
        let running = forktrace(tests, &all, 2)?;
        let said = running.said();
        no_panic(&said)?;
        ensure!(said.contains(wanted), "{arguments:?}: it said {said}");
        ensure!(running.printed().is_empty(), "{}", running.printed());
    }
    let running = forktrace(tests, &["schema", "check"], 0)?;
    let schema: Value = serde_json::from_str(&running.printed())?;
    ensure!(schema["properties"]["limits"].is_object(), "{schema}");
    Ok(())
}

/// A baseline is its owner's alone, follows no link, overwrites nothing unasked;
/// what is none is said.
pub(super) fn files(tests: &Tests) -> Result<()> {
    let own = std::process::id().to_string();
    let path = tests.scratch.path("files.json");
    let file = path.to_str().context("a path")?;
    let of = ["check", "--pid", &own, "--warn", "1000"];
    let run = |more: &[&str], status: i32| forktrace(tests, &[&of[..], more].concat(), status);
    run(&["--save", file], 0)?;
    let mode = path.metadata()?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "mode {mode:o}");
    let saved = fs::read(&path)?;
    let refused = run(&["--save", file], 2)?;
    ensure!(refused.said().contains("--force"), "{}", refused.said());
    ensure!(fs::read(&path)? == saved, "the file has changed");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    run(&["--save", file, "--force"], 0)?;
    let mode = path.metadata()?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "mode {mode:o} after --force");
    let link = tests.scratch.path("files-link");
    symlink(tests.scratch.path("files-target"), &link)?;
    let link = link.to_str().context("a path")?;
    for more in [&["--save", link][..], &["--save", link, "--force"]] {
        let refused = run(more, 2)?;
        ensure!(
            refused.said().contains("symbolic link"),
            "{}",
            refused.said()
        );
    }
    ensure!(!tests.scratch.dir.join("files-target").exists());
    let foreign = tests.scratch.path("files-foreign");
    for text in ["", "hello\n", "{}", "[1]", "{\"forktrace_baseline\":9}"] {
        fs::write(&foreign, text)?;
        let refused = run(&["--against", foreign.to_str().context("a path")?], 2)?;
        let said = refused.said();
        no_panic(&said)?;
        ensure!(said.contains("is no baseline"), "{text:?}: it said {said}");
    }
    let refused = run(&["--against", "/nowhere/at-all"], 2)?;
    ensure!(
        refused.said().contains("/nowhere/at-all"),
        "{}",
        refused.said()
    );
    Ok(())
}

/// Readings until Ctrl-C; the status is the last one's.
pub(super) fn watch(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-watch")?;
    let home = tree.at(&["inner"])?;
    let _tasks = Sleepers::start(19, || Ok(home.enter()?))?;
    tree.top().limit(100)?;
    let shown = home.shown();
    let mut command = Command::new(&tests.binary);
    command.args(["check", "--cgroup", &shown, "--watch", "0.2"]);
    command.args(["--format", "json"]);
    let mut running = Running::start(&tests.scratch, "watch", &mut command)?;
    let near = |running: &Running, wanted: u64| {
        machine::await_some(Duration::from_secs(20), || {
            let printed = running.printed();
            // The last one may be half written.
            let mut whole = printed.split_inclusive('\n').filter(|l| l.ends_with('\n'));
            let last: Value = serde_json::from_str(whole.next_back()?).ok()?;
            (last["near"] == wanted).then_some(())
        })
    };
    near(&running, 0).context("no healthy reading")?;
    tree.top().limit(20)?;
    near(&running, 1).context("the limit is not reported as near")?;
    running.signal(Signal::INT);
    running.wait_for_exit(1)?;
    ensure!(running.said().is_empty(), "it said {}", running.said());
    tree.top().limit(100)?;
    let mut running = Running::start(&tests.scratch, "watch-again", &mut command)?;
    near(&running, 0).context("no healthy reading")?;
    running.signal(Signal::TERM);
    running.wait_for_exit(0)?;
    check(tests, &["--cgroup", &shown], 0)?;
    Ok(())
}
