//! What a running forktrace may still do, by what the kernel says of it, and that this is enough.

mod full;
mod service;
mod started;
mod status;

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::probe::preempt;
use forktrace::provoke::sys::Signal;
use forktrace::record::Session;
use full::Full;
use started::Started;
use status::Privilege;

use super::{Behaviour, forktrace, provoke};
use crate::machine::await_some;
use crate::runner::{Tests, Where};
use crate::setting;
use crate::tracer::{Running, Tracer};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "privilege_command_keeps_its_own",
        run: command_keeps_its_own,
    },
    Behaviour {
        name: "privilege_foreign_folder",
        run: foreign_folder,
    },
];

pub(super) const ON_EACH_KERNEL: &[Behaviour] = &[
    Behaviour {
        name: "privilege_given_up_fexit",
        run: |tests| on_a_machine(tests, "fexit", given_up),
    },
    Behaviour {
        name: "privilege_given_up_kprobe",
        run: |tests| on_a_machine(tests, "kprobe", given_up),
    },
    Behaviour {
        name: "privilege_given_up_tracepoint",
        run: |tests| given_up(tests, "tracepoint"),
    },
    Behaviour {
        name: "privilege_two_capabilities_fexit",
        run: |tests| on_a_machine(tests, "fexit", two_capabilities),
    },
    Behaviour {
        name: "privilege_two_capabilities_kprobe",
        run: |tests| on_a_machine(tests, "kprobe", two_capabilities_kprobe),
    },
    Behaviour {
        name: "privilege_of_the_service_auto",
        run: service::as_the_service,
    },
];

const CAP_DAC_OVERRIDE: u64 = 1 << 1;
const CAP_DAC_READ_SEARCH: u64 = 1 << 2;
const CAP_SYS_PTRACE: u64 = 1 << 19;
const CAP_SYS_NICE: u64 = 1 << 23;
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// The styles that hosts don't always have.
fn on_a_machine(tests: &Tests, style: &str, test: fn(&Tests, &str) -> Result<()>) -> Result<()> {
    match tests.at {
        Where::Host => Ok(()),
        Where::TestMachine => test(tests, style),
    }
}

/// The capabilities that are kept of all, as the README lists them.
fn kept(tests: &Tests, session: &Session) -> u64 {
    let mut kept = CAP_SYS_PTRACE | CAP_DAC_READ_SEARCH;
    if session.probes.iter().any(|p| p.style == "kprobe") && preempt::possible() {
        kept |= CAP_SYS_NICE;
    }
    kept | kept_for_maps(tests)
}

fn kept_for_maps(tests: &Tests) -> u64 {
    let open = setting::read("kernel/unprivileged_bpf_disabled").map_or(true, |v| v == 0);
    if open || tests.place.kernel < (5, 19) {
        CAP_BPF
    } else {
        0
    }
}

fn folder(tests: &Tests, name: &str) -> Result<PathBuf> {
    let folder = tests.scratch.dir.join(format!("privilege-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder)?;
    Ok(folder)
}

fn recorder(tests: &Tests, file: &Path, more: &[&str]) -> Result<Tracer> {
    let mut command = Command::new(&tests.binary);
    command.arg("record").arg("-o").arg(file).args(more);
    let running = Running::start(&tests.scratch, "privilege", &mut command)?;
    super::started(Tracer::follow(running, file))
}

/// As root: everything but what reading names takes is gone, and names are read; files are
/// rotated.
fn given_up(tests: &Tests, style: &str) -> Result<()> {
    let alone = folder(tests, "alone")?.join("x.ndjson");
    let mut full = Full::new(tests)?;
    let mut tracer = recorder(tests, &alone, &["--attach", style])?;
    let pid = tracer.running.pid().to_string();
    Privilege::of(&pid)?.check(kept(tests, &tracer.session), 0)?;
    let failure = full.refused(&mut tracer)?;
    full.check_cause(&failure)?;
    full.check_names(&failure)?;
    tracer.end()?;
    let file = folder(tests, "rotating")?.join("x.ndjson");
    rotates(tests, style, &file, |session| kept(tests, session))
}

/// Goes on in another file, and another.
fn rotates(
    tests: &Tests,
    style: &str,
    file: &Path,
    kept: impl FnOnce(&Session) -> u64,
) -> Result<()> {
    let more = ["--attach", style, "--max-size", "4K", "--keep", "1"];
    let mut tracer = recorder(tests, file, &more)?;
    let pid = tracer.running.pid().to_string();
    Privilege::of(&pid)?.check(kept(&tracer.session), 0)?;
    let folder = file.parent().context("a folder")?;
    let names = || -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder)?;
        Ok(entries.flatten().map(|entry| entry.path()).collect())
    };
    let mut users = (0..12)
        .map(|n| super::refused_user("rotating", tests.place.uid(172 + n), 1))
        .collect::<Result<Vec<_>>>()?;
    let mut seen = HashSet::new();
    for user in &mut users {
        provoke(user)?;
        let wanted = user.actor.pid().to_string();
        let recorded = await_some(Duration::from_secs(20), || {
            let text = fs::read_to_string(file).ok()?;
            text.contains(&format!("\"pid\":{wanted},")).then_some(())
        });
        ensure!(
            recorded.is_some(),
            "no record of pid {wanted}; it said: {}",
            tracer.running.said()
        );
        seen.extend(names()?);
    }
    tracer.running.signal(Signal::TERM);
    tracer.running.wait_for_exit(0)?;
    let left = names()?;
    ensure!(
        seen.len() > 2 && left.len() == 2,
        "files were {seen:?}, left are {left:?}; it said: {}",
        tracer.running.said()
    );
    Ok(())
}

/// Root's recorder in somebody else's folder, which rotation has to change.
fn foreign_folder(tests: &Tests) -> Result<()> {
    let folder = folder(tests, "foreign")?;
    let owner = tests.place.uid(184);
    chown(&folder, Some(owner), Some(owner))?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
    rotates(tests, "auto", &folder.join("x.ndjson"), |session| {
        kept(tests, session) | CAP_DAC_OVERRIDE
    })
}

/// A command has the rights of its caller.
fn command_keeps_its_own(tests: &Tests) -> Result<()> {
    let status = ["live", "--quiet", "--", "cat", "/proc/self/status"];
    let running = forktrace(tests, &status, 0)?;
    let (its, ours) = (
        Privilege::parse(&running.printed())?,
        Privilege::of("self")?,
    );
    ensure!(
        its == ours,
        "the command has {its:x?}, its caller {ours:x?}"
    );
    Ok(())
}

/// Debian has a level 3 of kernel.perf_event_paranoid, its default, at which its kernel 5.10 asks
/// for CAP_SYS_ADMIN.
fn two_capabilities_kprobe(tests: &Tests, style: &str) -> Result<()> {
    let _level = setting::set("kernel/perf_event_paranoid", 2)?;
    two_capabilities(tests, style)
}

/// As a user with CAP_BPF and CAP_PERFMON alone: the cause is named, and what can't be read is
/// said.
fn two_capabilities(tests: &Tests, style: &str) -> Result<()> {
    let mut full = Full::new(tests)?;
    let (name, two) = ("two-capabilities", CAP_BPF | CAP_PERFMON);
    let mut started = Started::with(tests, name, two, &["--attach", style], || Ok(()))?;
    let session = started.session()?;
    // CAP_SETPCAP is not there to empty the bounding set.
    let bounding = Privilege::of("self")?.bounding;
    let pid = started.pid().to_string();
    Privilege::of(&pid)?.check(kept_for_maps(tests), bounding)?;
    for lacking in ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "kallsyms"] {
        ensure!(
            session.absent.iter().any(|a| a.contains(lacking)),
            "nothing is said of {lacking}: {:?}",
            session.absent
        );
    }
    provoke(&mut full.caller)?;
    let failure = started.failure_of(full.caller.actor.pid())?;
    full.check_cause(&failure)?;
    ensure!(
        failure.caller.exe.is_none(),
        "exe is {:?}",
        failure.caller.exe
    );
    started.end()
}
