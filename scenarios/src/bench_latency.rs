//! How long after a refusal's return its line is there to be read: idle, and in storms.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::host::clock::Clock;
use forktrace::provoke::sys;
use forktrace::record::Record;

use crate::actor::Actor;
use crate::attempt::{Kind, attempt};
use crate::scenario::Place;
use crate::storm::{Keys, Storm};
use crate::tracer::Scratch;

/// Between two refusals.
const PAUSE: Duration = Duration::from_millis(100);

const PROBE: &str = "latency-probe";

/// Measures `samples` refusals idle and in each storm, and prints a line of numbers for each.
pub(crate) fn run(forktrace: &Path, style: &str, samples: u32) -> Result<()> {
    ensure!(samples > 0, "no samples are no measure");
    let scratch = Scratch::new()?;
    let binary = scratch.binary(forktrace)?;
    let place = Place::find(1)?;
    for (name, keys) in [
        ("idle", None),
        ("one", Some(Keys::One)),
        ("processes", Some(Keys::Processes)),
    ] {
        let mut live = Live::start(&binary, style)?;
        let storm = keys.map(|keys| {
            let tree = place.cgroups.tree("bench-latency")?;
            // Ended by being killed.
            let mut storm = Storm::new("latency-storm", keys, u32::MAX, tree)?;
            storm.begin()?;
            Ok::<_, anyhow::Error>(storm)
        });
        let storm = storm.transpose()?;
        let mut times = measure(&mut live, place.uid(2500), samples)?;
        drop(storm);
        ensure!(!times.is_empty(), "none was recorded in full");
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
        println!(
            "LATENCY\t{style}\t{name}\t{samples}\t{}\t{}\t{}\t{}",
            times.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    Ok(())
}

/// Nanoseconds of each refusal, from the return of its call to its line being read. Each is by a
/// process of its own, for the later ones of a process may be counted only.
fn measure(live: &mut Live, uid: u32, samples: u32) -> Result<Vec<u64>> {
    let mut times = Vec::new();
    // The first one reads the host's tables.
    for sample in 0..=samples {
        let (mut actor, _) = Actor::start(PROBE, |link| {
            sys::limit_nproc(1, 1)?;
            sys::become_uid(uid)?;
            link.step();
            let refused = u64::from(attempt(Kind::PLAIN).errno == libc::EAGAIN);
            link.ready(vec![refused, Clock::now().monotonic_ns()]);
            Ok(())
        })?;
        actor.send()?;
        let read = live.await_failure_of(actor.pid() as u32)?;
        let [refused, returned] = actor.hear()?.numbers[..] else {
            bail!("the probe sent no numbers");
        };
        ensure!(refused == 1, "the probe's fork was granted");
        // A line that is read before the caller is back has cost it nothing.
        times.extend(
            read.map(|read| read.saturating_sub(returned))
                .filter(|_| sample > 0),
        );
        sleep(PAUSE);
    }
    Ok(times)
}

/// A `forktrace live` whose lines are read as they come.
struct Live {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    /// The numbers of the probes' failures.
    recorded: HashSet<u64>,
}

impl Live {
    fn start(binary: &Path, style: &str) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["live", "--format", "json", "--attach", style]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", binary.display()))?;
        let out = child.stdout.take().context("forktrace has no output")?;
        let mut live = Self {
            child,
            lines: BufReader::new(out),
            recorded: HashSet::new(),
        };
        match live.next()? {
            Record::Session(_) => Ok(live),
            other => bail!("the first line is no session: {other:?}"),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.lines.read_line(&mut line)? > 0, "forktrace has ended");
        Ok(line)
    }

    fn next(&mut self) -> Result<Record> {
        let line = self.line()?;
        serde_json::from_str(&line).with_context(|| format!("reading {line:?}"))
    }

    /// When its line was read; none where it was only counted.
    fn await_failure_of(&mut self, pid: u32) -> Result<Option<u64>> {
        loop {
            let line = self.line()?;
            let now = Clock::now().monotonic_ns();
            // A storm's lines should not cost this process much.
            if !line.contains(PROBE) && !line.contains("\"repeat\"") {
                continue;
            }
            match serde_json::from_str(&line).with_context(|| format!("reading {line:?}"))? {
                Record::Failure(failure) if failure.caller.comm == PROBE => {
                    self.recorded.insert(failure.seq);
                    if failure.caller.pid == pid {
                        return Ok(Some(now));
                    }
                }
                Record::Repeat(repeat) if self.recorded.contains(&repeat.of) => return Ok(None),
                _ => {}
            }
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
