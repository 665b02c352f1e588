//! forktrace killed in the middle of a storm.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::{self, Signal};

use super::super::{
    Behaviour, await_failures, count_of, in_own_mounts, provoke, record, refused_user, trace_left,
};
use crate::actor::Prober;
use crate::machine::await_some;
use crate::runner::{Tests, Where};
use crate::scenario::skip;

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_killed_in_a_storm_fexit",
        run: |tests| killed(tests, "fexit"),
    },
    Behaviour {
        name: "fault_killed_in_a_storm_kprobe",
        run: |tests| killed(tests, "kprobe"),
    },
    Behaviour {
        name: "fault_killed_in_a_storm_tracepoint",
        run: |tests| killed(tests, "tracepoint"),
    },
];

/// What hangs on the kernel's functions, whoever has hung it there: ftrace's users (the style
/// fexit), kprobes, and the events of perf's and tracefs's.
struct Hooks(Vec<(&'static str, Vec<String>)>);

impl Hooks {
    const FILES: [&str; 4] = [
        "tracing/enabled_functions",
        "tracing/kprobe_events",
        "debug/kprobes/list",
        "tracing/set_event",
    ];

    /// Mounts what shows them, in a mount namespace of the caller's own.
    fn mount() {
        // Where lockdown refuses, what is left is compared.
        let _ = sys::mount("none", Path::new("/sys/kernel/debug"), "debugfs", "");
        let _ = sys::mount("none", Path::new("/sys/kernel/tracing"), "tracefs", "");
    }

    fn now() -> Self {
        let files = Self::FILES.iter().filter_map(|file| {
            let text = fs::read_to_string(format!("/sys/kernel/{file}")).ok()?;
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            Some((*file, lines))
        });
        Self(files.collect())
    }

    /// Lines that this has and `before` has not.
    fn beyond(&self, before: &Self) -> Vec<String> {
        let mut more = Vec::new();
        for (file, lines) in &self.0 {
            let was = before.0.iter().find(|(name, _)| name == file);
            let known = |line: &&String| was.is_some_and(|(_, was)| was.contains(line));
            more.extend(
                lines
                    .iter()
                    .filter(|l| !known(l))
                    .map(|l| format!("{file}: {l}")),
            );
        }
        more
    }
}

const STORM: u32 = 3_000;

/// While tasks fail, the kernel side goes with its owner, and leaves the failing tasks to themselves.
fn killed(tests: &Tests, style: &str) -> Result<()> {
    if tests.at == Where::Host && style != "tracepoint" {
        return skip("in a test machine: a host may not allow this style");
    }
    in_own_mounts(|| {
        Hooks::mount();
        let mut users = (0..2)
            .map(|n| refused_user("storming", tests.place.uid(150 + n), STORM))
            .collect::<Result<Vec<_>>>()?;
        kill_one(tests, style, &mut users)?;
        // The next one finds nothing of it.
        let mut tracer = record(tests, &["--attach", style, "--comm", "storming"])?;
        provoke(&mut users[0])?;
        await_failures(&mut tracer, users[0].actor.pid(), STORM.into())?;
        let summary = tracer.end()?;
        ensure!(
            summary.failures == u64::from(STORM),
            "afterwards {} of {STORM} are summed up",
            summary.failures
        );
        Ok(())
    })
}

fn kill_one(tests: &Tests, style: &str, users: &mut [Prober]) -> Result<()> {
    let before = Hooks::now();
    let known = trace_left::all_ids()?;
    let mut tracer = record(tests, &["--attach", style, "--comm", "storming"])?;
    let during = trace_left::all_ids()?;
    let hung = Hooks::now().beyond(&before);
    ensure!(
        style == "tracepoint" || tests.at == Where::Host || !hung.is_empty(),
        "nothing shows its probes"
    );
    for user in &mut *users {
        user.actor.send()?;
    }
    await_some(Duration::from_secs(20), || {
        tracer.read().ok()?;
        (count_of(&tracer, users[0].actor.pid()) > 0).then_some(())
    })
    .context("the storm is not recorded")?;
    tracer.running.signal(Signal::KILL);
    tracer.running.wait(Duration::from_secs(20))?;
    for user in &mut *users {
        user.actor.hear()?;
    }
    trace_left::none_left(&known, &during)?;
    let gone = await_some(Duration::from_secs(20), || {
        Hooks::now().beyond(&before).is_empty().then_some(())
    });
    let left = Hooks::now().beyond(&before);
    ensure!(
        gone.is_some() || tests.at == Where::Host,
        "left behind: {left:?}"
    );
    Ok(())
}
