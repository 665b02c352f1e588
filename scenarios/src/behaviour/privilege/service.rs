//! The systemd unit: what it gives is enough for what it runs.

use anyhow::{Context, Result, ensure};

use super::full::Full;
use super::started::Started;
use super::status::Privilege;
use crate::behaviour::provoke;
use crate::runner::{Tests, Where};

const UNIT: &str = include_str!("../../../../contrib/forktrace.service");

/// What a directive says.
fn directive(name: &str) -> Result<&'static str> {
    let mut lines = UNIT.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value.with_context(|| format!("the unit has no {name}="))
}

/// The set of bits of names of capabilities.
fn bits(names: &str) -> Result<u64> {
    let number = |name: &str| {
        Some(match name {
            "CAP_DAC_READ_SEARCH" => 2,
            "CAP_SYS_PTRACE" => 19,
            "CAP_SYS_ADMIN" => 21,
            "CAP_SYS_NICE" => 23,
            "CAP_SYSLOG" => 34,
            "CAP_PERFMON" => 38,
            "CAP_BPF" => 39,
            _ => return None,
        })
    };
    names.split_whitespace().try_fold(0, |set, name| {
        let number: u32 = number(name).with_context(|| format!("what is {name}?"))?;
        Ok(set | 1 << number)
    })
}

/// Started as the unit starts it: these arguments, capabilities, number of tasks.
pub(super) fn as_the_service(tests: &Tests) -> Result<()> {
    let words = directive("ExecStart")?.split_whitespace().skip(2);
    // Not into the host's /var/log, and not compressed: it is read as it grows. A test machine
    // hasn't that much room.
    let elsewhere = |word: &&str| !["-o", "--min-free", "1G"].contains(word);
    let arguments: Vec<&str> = words
        .filter(elsewhere)
        .filter(|word| !word.starts_with("/var/log/"))
        .collect();
    ensure!(arguments.contains(&"--append"), "{arguments:?}");
    let names = directive("AmbientCapabilities")?;
    ensure!(names == directive("CapabilityBoundingSet")?);
    let capabilities = match tests.at {
        Where::TestMachine => bits(names)?,
        // What the unit says to add where tracepoints are all there is.
        Where::Host => bits(names)? | bits("CAP_SYS_ADMIN")?,
    };
    let slice = tests.place.cgroups.tree("service")?;
    let home = slice.at(&["unit"])?;
    home.limit(directive("TasksMax")?.parse()?)?;
    let mut full = Full::new(tests)?;
    let mut started = Started::with(tests, "service", capabilities, &arguments, || {
        Ok(home.enter()?)
    })?;
    let session = started.session()?;
    let lacking: Vec<_> = session
        .absent
        .iter()
        .filter(|a| a.contains("CAP_"))
        .collect();
    ensure!(lacking.is_empty(), "absent: {lacking:?}");
    let bounding = Privilege::of("self")?.bounding;
    let kept = super::kept(tests, &session);
    Privilege::of(&started.pid().to_string())?.check(kept, bounding)?;
    provoke(&mut full.caller)?;
    let failure = started.failure_of(full.caller.actor.pid())?;
    full.check_cause(&failure)?;
    full.check_names(&failure)?;
    started.end()
}
