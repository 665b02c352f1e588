//! Limits of the whole host, the kernel's log, and what has changed.

use std::fs;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sleeper;
use forktrace::provoke::sys;
use serde_json::Value;

use super::{check, pid_of, row};
use crate::actor::{Actor, Prober};
use crate::attempt::Kind;
use crate::behaviour::{forktrace, provoke};
use crate::machine;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::setting;
use crate::sleepers::{self, Sleepers};

/// Nothing is near. On somebody's host something may be; then for this process.
pub(super) fn healthy(tests: &Tests) -> Result<()> {
    let own = std::process::id().to_string();
    let value = match tests.at {
        Where::TestMachine => check(tests, &[], 0)?,
        Where::Host => check(tests, &["--pid", &own], 0)?,
    };
    ensure!(value["near"] == 0, "{value}");
    let threads = row(&value, "kernel.threads-max", "host")?;
    let now = machine::tasks_on_host()?;
    let usage = threads["usage"].as_u64().context("usage")?;
    ensure!(usage.abs_diff(now) <= 20, "{usage} tasks, now {now}");
    ensure!(threads["value"] == setting::read("kernel/threads-max")?);
    let ids = row(&value, "kernel.pid_max", "host")?;
    ensure!(ids["value"] == setting::read("kernel/pid_max")?, "{ids}");
    let memory = &value["memory"];
    ensure!(memory["total"] == machine::meminfo("MemTotal")?, "{memory}");
    ensure!(
        memory["commit_limit"] == machine::meminfo("CommitLimit")?,
        "{memory}"
    );
    // Overcommit is no limit but in mode 2.
    let text = value["limits"].to_string();
    ensure!(!text.contains("CommitLimit"), "{text}");
    Ok(())
}

/// Ids of tasks within a range.
fn ids_within(range: std::ops::Range<u64>) -> Result<u64> {
    let mut count = 0;
    for process in fs::read_dir("/proc")?.flatten() {
        let Ok(tasks) = fs::read_dir(process.path().join("task")) else {
            continue;
        };
        let ids = tasks.flatten().filter_map(|t| {
            let name = t.file_name();
            name.to_str().and_then(|id| id.parse::<u64>().ok())
        });
        // /proc/self and /proc/thread-self are processes that are there already.
        if process.file_name().as_encoded_bytes()[0].is_ascii_digit() {
            count += ids.filter(|id| range.contains(id)).count() as u64;
        }
    }
    Ok(count)
}

/// 100 ids may be given, 95 are; the kernel agrees by refusing the sixth more.
pub(super) fn pid_max(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("kernel.pid_max is for test machines");
    }
    machine::settled_tasks_on_host()?;
    let (mut filler, _) = Actor::start("check-ids", |link| {
        sleeper::pass_reserved_ids()?;
        link.step();
        let (_, refused) = sleepers::fill(Kind::PLAIN, 100);
        link.ready(Vec::from_iter(refused));
        Ok(())
    })?;
    let setting = setting::set("kernel/pid_max", 400)?;
    let there = ids_within(300..400)?;
    // forktrace itself has one.
    let wanted = 94u64.checked_sub(there).context("too many tasks")?;
    let sleepers = Sleepers::start(wanted, || Ok(()))?;
    let value = check(tests, &[], 1)?;
    let ids = row(&value, "kernel.pid_max", "host")?;
    let usage = ids["usage"].as_u64().context("usage")?;
    ensure!((93..=97).contains(&usage), "{ids}");
    ensure!(ids["value"] == 400 && ids["usable"] == 100, "{ids}");
    ensure!(ids["cause"] == "pid_max", "{ids}");
    // Full: what forktrace counts is what the kernel refuses by.
    let refused = filler.go()?.attempts;
    ensure!(!refused.is_empty(), "nothing was refused");
    let there = ids_within(300..400)?;
    ensure!(
        (98..=100).contains(&there),
        "refused with {there} ids of 100"
    );
    drop((filler, sleepers, setting));
    Ok(())
}

/// In mode 2 the host's promises, and what a process's fork adds to them.
pub(super) fn overcommit(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("vm.overcommit_memory is for test machines");
    }
    let mut prober = Prober::start("check-big", Kind::PLAIN, 1, || {
        let bytes = machine::meminfo("MemTotal")? / 2;
        sys::map(bytes)?;
        Ok(vec![bytes])
    })?;
    let mapped = *prober.numbers.first().context("its size")?;
    let _ratio = setting::set("vm/overcommit_ratio", 90)?;
    let _mode = setting::set("vm/overcommit_memory", 2)?;
    let value = check(tests, &["--pid", &pid_of(prober.actor.pid())], 1)?;
    let limit = row(&value, "CommitLimit", "host")?;
    ensure!(
        limit["value"] == machine::meminfo("CommitLimit")?,
        "{limit}"
    );
    ensure!(limit["requested"].as_u64() >= Some(mapped), "{limit}");
    ensure!(limit["percent"].as_f64() > Some(100.0), "{limit}");
    ensure!(limit["refuses"] == "processes", "{limit}");
    provoke(&mut prober)?;
    // Without it there is room.
    let own = std::process::id().to_string();
    let value = check(tests, &["--pid", &own], 0)?;
    let limit = row(&value, "CommitLimit", "host")?;
    ensure!(limit["percent"].as_f64() < Some(90.0), "{limit}");
    Ok(())
}

/// What the kernel itself has logged; what root's programs write is no kernel's.
pub(super) fn kernel_log(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-log")?;
    let home = tree.at(&["forks"])?;
    let mut prober = Prober::start("check-log", Kind::PLAIN, 1, || {
        home.enter()?;
        Ok(Vec::new())
    })?;
    home.limit(1)?;
    provoke(&mut prober)?;
    let made_up = "Out of memory: Killed process 1 (made-up-by-a-test)";
    fs::write("/dev/kmsg", made_up)?;
    let value = check(tests, &["--cgroup", &home.shown()], 1)?;
    let lines = value["log"]["lines"].as_array().context("lines")?;
    let text = format!(
        "cgroup: fork rejected by pids controller in {}",
        home.shown()
    );
    let line = lines.iter().find(|line| line["text"] == *text);
    let line = line.with_context(|| format!("no {text:?} in {lines:?}"))?;
    ensure!(line["kind"] == "fork_refused", "{line}");
    ensure!(!value["log"].to_string().contains("made-up"), "{lines:?}");
    let running = forktrace(tests, &["check", "--cgroup", &home.shown()], 1)?;
    ensure!(
        running.printed().contains("fork rejected by pids"),
        "{}",
        running.printed()
    );
    Ok(())
}

/// After two sysctls and a unit's limit were changed, these are named.
pub(super) fn baseline(tests: &Tests) -> Result<()> {
    let tree = tests.place.cgroups.tree("check-drift")?;
    let unit = format!("forktrace-drift-{}.service", std::process::id());
    let home = tree.at(&[&*unit])?;
    let path = tests.scratch.path("baseline.json");
    let file = path.to_str().context("a path")?;
    let own = std::process::id().to_string();
    let save = ["--pid", &own, "--save", file];
    check(tests, &save, 0)?;
    let against = ["--pid", &*own, "--against", file];
    let texts = |value: &Value| -> Vec<String> {
        let changes = value["drift"]["changes"].as_array();
        let texts = changes.into_iter().flatten().map(|c| c["text"].as_str());
        texts.flatten().map(str::to_owned).collect()
    };
    let mut wanted = vec![format!("TasksMax of {unit} was max, is 100")];
    home.limit(100)?;
    let mut kept = Vec::new();
    if tests.at == Where::TestMachine {
        let ratio = setting::read("vm/overcommit_ratio")?;
        kept.push(setting::set("vm/overcommit_ratio", ratio + 7)?);
        kept.push(setting::set("vm/overcommit_memory", 1)?);
        wanted.push("vm.overcommit_memory was 0, is 1".to_owned());
        wanted.push(format!("vm.overcommit_ratio was {ratio}, is {}", ratio + 7));
    }
    let drift = texts(&check(tests, &against, 0)?);
    for text in &wanted {
        ensure!(drift.contains(text), "no {text:?} in {drift:?}");
    }
    if tests.at == Where::TestMachine {
        ensure!(
            drift.len() == wanted.len(),
            "more than {wanted:?}: {drift:?}"
        );
    }
    let running = forktrace(tests, &[&["check"], &against[..]].concat(), 0)?;
    ensure!(
        running.printed().contains(&wanted[0]),
        "{}",
        running.printed()
    );
    drop(kept);
    home.unlimit()?;
    let drift = texts(&check(tests, &against, 0)?);
    ensure!(
        !drift.iter().any(|text| wanted.contains(text)),
        "all is as before: {drift:?}"
    );
    Ok(())
}

/// v1's limit of kernel memory, where the kernel takes one.
pub(super) fn kernel_memory(tests: &Tests) -> Result<()> {
    let Some(hierarchy) = tests.place.cgroups.memory() else {
        return skip("no memory controller is mounted");
    };
    if hierarchy.pids_is_v2 || tests.place.kernel >= (5, 16) {
        return skip("only cgroup v1 before 5.16 has such a limit");
    }
    let tree = hierarchy.tree("check-kmem")?;
    let file = tree.top().dir.join("memory.kmem.limit_in_bytes");
    fs::write(&file, "8388608")?;
    let name = "memory.kmem.limit_in_bytes";
    let value = check(tests, &["--cgroup", &tree.top().dir.to_string_lossy()], 0)?;
    let limit = row(&value, name, &tree.top().shown())?;
    ensure!(limit["value"] == 8_388_608, "{limit}");
    ensure!(limit["cause"] == "cgroup_kernel_memory_max", "{limit}");
    ensure!(limit["file"] == *file.to_string_lossy(), "{limit}");
    Ok(())
}
