//! `forktrace selftest`: names what it provokes, and leaves the host as it was
//! however it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use forktrace::cause::Cause;
use forktrace::provoke::sys::Signal;
use forktrace::selftest::{Case, End, Line, Outcome};

use super::{Behaviour, forktrace, no_panic};
use crate::arch::page;
use crate::machine::await_some;
use crate::runner::{Tests, Where};
use crate::scenario::skip;
use crate::setting;
use crate::tracer::{PATIENCE, Running};

/// What comes out differently on each kernel.
pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "selftest_fexit",
        run: |tests| all(tests, "fexit"),
    },
    Behaviour {
        name: "selftest_kprobe",
        run: |tests| all(tests, "kprobe"),
    },
    Behaviour {
        name: "selftest_tracepoint",
        run: |tests| all(tests, "tracepoint"),
    },
    Behaviour {
        name: "selftest_only_pids_and_memory",
        run: only_cgroups,
    },
];

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "selftest_table",
        run: table,
    },
    Behaviour {
        name: "selftest_without_root",
        run: without_root,
    },
    Behaviour {
        name: "selftest_only_unknown",
        run: |tests| {
            let running = forktrace(tests, &["selftest", "--only", "unknown"], 2)?;
            ensure!(running.said().contains("unknown"), "{}", running.said());
            Ok(())
        },
    },
    Behaviour {
        name: "selftest_names_a_difference",
        run: difference,
    },
    Behaviour {
        name: "selftest_sigint_restores",
        run: |tests| interrupted(tests, Signal::INT),
    },
    Behaviour {
        name: "selftest_sigterm_restores",
        run: |tests| interrupted(tests, Signal::TERM),
    },
    Behaviour {
        name: "selftest_sigkill_restores",
        run: killed,
    },
    Behaviour {
        name: "selftest_sigkill_leaves_no_cgroup",
        run: killed_in_a_cgroup,
    },
];

/// What the selftest may not change, read by the test itself.
#[derive(Debug, PartialEq, Eq)]
struct Host {
    settings: BTreeMap<&'static str, String>,
    mounts: String,
    cgroups: BTreeSet<PathBuf>,
    /// Names of its processes.
    processes: BTreeSet<String>,
}

const SETTINGS: [&str; 7] = [
    "kernel/pid_max",
    "kernel/threads-max",
    "vm/overcommit_memory",
    "vm/overcommit_ratio",
    "vm/overcommit_kbytes",
    "vm/max_map_count",
    "fs/nr_open",
];

fn setting(name: &str) -> Result<String> {
    let path = format!("/proc/sys/{name}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

impl Host {
    fn now() -> Result<Self> {
        let mut settings = BTreeMap::new();
        for name in SETTINGS {
            settings.insert(name, setting(name)?);
        }
        Ok(Self {
            settings,
            mounts: fs::read_to_string("/proc/self/mountinfo")?,
            cgroups: cgroups(),
            processes: processes(),
        })
    }

    /// Waits until it is as before: what restores after a SIGKILL needs time.
    fn wait_for(&self) -> Result<()> {
        let same = await_some(Duration::from_secs(15), || {
            (Self::now().ok()? == *self).then_some(())
        });
        if same.is_none() {
            bail!("before: {self:?}; after: {:?}", Self::now()?);
        }
        Ok(())
    }
}

/// Cgroups that are called like the selftest's, wherever they are.
fn cgroups() -> BTreeSet<PathBuf> {
    fn walk(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|t| t.is_dir()) {
                if entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with("forktrace-selftest-")
                {
                    found.insert(entry.path());
                }
                walk(&entry.path(), found);
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new("/sys/fs/cgroup"), &mut found);
    found
}

fn processes() -> BTreeSet<String> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|e| fs::read_to_string(e.path().join("comm")).ok())
        .filter(|comm| comm.starts_with("selftest-") || comm.starts_with("forktrace-undo"))
        .collect()
}

struct Outcomes {
    cases: Vec<Case>,
    end: End,
}

/// Runs it to its end with `--format json`.
fn run(tests: &Tests, arguments: &[&str]) -> Result<Outcomes> {
    let mut all = vec!["selftest", "--format", "json"];
    all.extend(arguments);
    let before = Host::now()?;
    let mut command = Command::new(&tests.binary);
    command.args(&all);
    let mut running = Running::start(&tests.scratch, "selftest", &mut command)?;
    let status = running.wait(Duration::from_secs(180))?;
    let (printed, said) = (running.printed(), running.said());
    no_panic(&said)?;
    if status.code() == Some(3) && tests.at == Where::Host {
        return skip(said.trim());
    }
    ensure!(
        status.code() == Some(0),
        "{status}; it said: {} {}",
        said.trim(),
        printed.trim()
    );
    ensure!(said.is_empty(), "it complains: {}", said.trim());
    before.wait_for()?;
    let mut cases = Vec::new();
    let mut end = None;
    for (n, line) in printed.lines().enumerate() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("no line: {line}"))?;
        ensure!(end.is_none(), "a line after the last");
        match line {
            Line::SelftestStart(start) => {
                ensure!(n == 0, "a start in line {n}");
                ensure!(
                    arguments.contains(&"--attach") == arguments.contains(&start.attach.as_str()),
                    "attached by {}",
                    start.attach
                );
            }
            Line::SelftestCase(case) => cases.push(case),
            Line::SelftestEnd(this) => end = Some(this),
        }
    }
    let end = end.context("no last line")?;
    let count = |outcome| cases.iter().filter(|c| c.outcome == outcome).count() as u64;
    ensure!(
        end.named == count(Outcome::Named)
            && end.skipped == count(Outcome::Skipped)
            && end.named + end.skipped == cases.len() as u64,
        "{end:?} does not count {cases:?}"
    );
    Ok(Outcomes { cases, end })
}

/// What may be skipped, and where: nothing else.
fn may_skip(tests: &Tests, case: &Case) -> bool {
    let here = tests.at == Where::Host;
    let kernel = tests.place.kernel;
    match (case.cause, case.variant.as_str()) {
        // Nowhere provoked.
        (
            Cause::FatalSignal
            | Cause::Lsm
            | Cause::SchedExt
            | Cause::FileMax
            | Cause::CgroupKernelMemoryMax,
            _,
        ) => case.why.iter().any(|why| why.starts_with("it takes ")),
        (Cause::CgroupMemoryMax, _) => {
            // Debian builds no v1 memory controller from 6.12 on.
            here || (!tests.place.cgroups.pids_is_v2 && kernel >= (6, 12))
        }
        (Cause::PidMax, "pid namespace") => kernel < (6, 14),
        // Debian's setting.
        (Cause::UnprivilegedUserns, _) => {
            here || !Path::new("/proc/sys/kernel/unprivileged_userns_clone").exists()
        }
        // Pinned pages are shared like others before.
        (Cause::Hugetlb, _) => {
            let by_tracepoint = || case.why.iter().any(|why| why.contains("style tracepoint"));
            // Of pages of 64 KiB a huge one is as large as the machine.
            let too_large =
                || page() > 16 << 10 && case.why.iter().any(|why| why.starts_with("no room for "));
            here || kernel < (5, 12) || by_tracepoint() || too_large()
        }
        (Cause::MaxNamespaces, _) => {
            here || !forktrace::provoke::sys::namespaces_are_counted().unwrap_or(true)
        }
        // With --disruptive, which is for test machines.
        (
            Cause::ThreadsMax
            | Cause::Overcommit
            | Cause::PidMax
            | Cause::NrOpen
            | Cause::MaxMapCount,
            _,
        ) => here,
        // Somebody's host may forbid these.
        (
            Cause::SchedDeadline
            | Cause::Chroot
            | Cause::UserNamespaceLevel
            | Cause::PidNamespaceLevel
            | Cause::RlimitAs
            | Cause::RlimitData
            | Cause::RlimitMemlock,
            _,
        )
        | (Cause::RlimitNproc, "user namespace") => here,
        _ => false,
    }
}

fn all(tests: &Tests, style: &str) -> Result<()> {
    let mut arguments = vec!["--attach", style];
    if tests.at == Where::TestMachine {
        arguments.push("--disruptive");
    }
    let result = run(tests, &arguments)?;
    let mut causes = BTreeSet::new();
    for case in &result.cases {
        causes.insert(case.cause);
        ensure!(
            case.outcome == Outcome::Named || may_skip(tests, case),
            "{} {:?} is skipped: {:?}",
            case.cause.id(),
            case.variant,
            case.why
        );
        if case.outcome == Outcome::Named {
            ensure!(
                case.refused > 0 && case.said == Some(case.cause),
                "{case:?}"
            );
        }
    }
    for cause in Cause::judged().filter(|cause| !cause.is_unknown()) {
        ensure!(causes.contains(&cause), "no row of {}", cause.id());
    }
    ensure!(result.end.named >= 12, "{:?}", result.end);
    Ok(())
}

fn only_cgroups(tests: &Tests) -> Result<()> {
    let result = run(
        tests,
        &["--only", "cgroup_pids_max", "--only", "cgroup_memory_max"],
    )?;
    for case in &result.cases {
        match case.cause {
            Cause::CgroupPidsMax => ensure!(case.outcome == Outcome::Named, "{case:?}"),
            Cause::CgroupMemoryMax => {}
            _ => bail!("{} was not asked for", case.cause.id()),
        }
    }
    ensure!(result.end.named >= 2, "{:?}", result.end);
    Ok(())
}

fn table(tests: &Tests) -> Result<()> {
    let running = forktrace(tests, &["selftest"], 0)?;
    let printed = running.printed();
    for line in printed.lines() {
        ensure!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    ensure!(!printed.contains('\x1b'), "colours in a file");
    let row = printed
        .lines()
        .find(|l| l.starts_with("rlimit_nproc "))
        .with_context(|| format!("no row of rlimit_nproc in {printed}"))?;
    let words: Vec<&str> = row.split_whitespace().collect();
    ensure!(
        words.len() == 4 && words[1] == "EAGAIN" && words[2] == "rlimit_nproc",
        "{row}"
    );
    ensure!(
        printed.contains("threads_max") && printed.contains("needs --disruptive"),
        "it does not say what it skipped: {printed}"
    );
    ensure!(
        printed.trim_end().ends_with("the host is as before"),
        "{printed}"
    );
    Ok(())
}

fn without_root(tests: &Tests) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new(&tests.binary);
    command
        .arg("selftest")
        .current_dir("/")
        .uid(65534)
        .gid(65534);
    let mut running = Running::start(&tests.scratch, "unprivileged", &mut command)?;
    running.wait_for_exit(3)?;
    let said = running.said();
    no_panic(&said)?;
    ensure!(
        said.contains("root") && said.contains("65534"),
        "it does not say what is missing: {said}"
    );
    Ok(())
}

/// A setting that somebody else changes while it runs is named, and exit 1.
fn difference(tests: &Tests) -> Result<()> {
    if tests.at == Where::Host {
        return skip("changes a setting of the host");
    }
    let mut command = Command::new(&tests.binary);
    command.arg("selftest");
    let mut running = Running::start(&tests.scratch, "selftest", &mut command)?;
    // It has looked at the host by the time that it prints.
    let started = await_some(PATIENCE, || (!running.printed().is_empty()).then_some(()));
    started.context("it prints nothing")?;
    let ratio = setting::read("vm/overcommit_ratio")?;
    let changed = setting::set("vm/overcommit_ratio", ratio + 1)?;
    let ended = running.wait_for_exit(1);
    drop(changed);
    ended?;
    let printed = running.printed();
    let wanted = format!(
        "/proc/sys/vm/overcommit_ratio is {}, was {ratio}",
        ratio + 1
    );
    ensure!(
        printed.contains(&wanted) && !printed.contains("not named"),
        "it does not name the difference: {printed}"
    );
    Ok(())
}

/// Starts it again and again until it is met with a change made, and sends it
/// a signal just then.
fn meet(
    tests: &Tests,
    arguments: &[&str],
    changed: impl Fn() -> bool,
    signal: Signal,
) -> Result<Running> {
    for _ in 0..20 {
        let mut command = Command::new(&tests.binary);
        command.arg("selftest").args(arguments);
        let mut running = Running::start(&tests.scratch, "selftest", &mut command)?;
        let end = Instant::now() + PATIENCE;
        while running.status().is_none() {
            if changed() {
                running.signal(signal);
                running.wait(PATIENCE)?;
                return Ok(running);
            }
            ensure!(Instant::now() < end, "it did not end");
        }
    }
    bail!("a change was not met in 20 runs")
}

/// With threads-max changed.
fn meet_disruption(tests: &Tests, signal: Signal) -> Result<Running> {
    if tests.at == Where::Host {
        return skip("--disruptive is for test machines");
    }
    let before = setting("kernel/threads-max")?;
    meet(
        tests,
        &["--disruptive", "--only", "threads_max"],
        || setting("kernel/threads-max").is_ok_and(|now| now != before),
        signal,
    )
}

fn interrupted(tests: &Tests, signal: Signal) -> Result<()> {
    let before = Host::now()?;
    let mut running = meet_disruption(tests, signal)?;
    running.wait_for_exit(128 + signal.as_raw())?;
    // It does so before it ends.
    ensure!(
        Host::now()?.settings == before.settings,
        "{:?} after {:?}",
        Host::now()?,
        before
    );
    ensure!(
        running
            .printed()
            .contains(&format!("ended early by signal {}", signal.as_raw())),
        "{}",
        running.printed()
    );
    no_panic(&running.said())?;
    before.wait_for()
}

fn killed(tests: &Tests) -> Result<()> {
    let before = Host::now()?;
    meet_disruption(tests, Signal::KILL)?;
    before.wait_for()
}

fn killed_in_a_cgroup(tests: &Tests) -> Result<()> {
    let before = Host::now()?;
    let arguments = ["--only", "cgroup_pids_max"];
    meet(
        tests,
        &arguments,
        || cgroups() != before.cgroups,
        Signal::KILL,
    )?;
    before.wait_for()
}
