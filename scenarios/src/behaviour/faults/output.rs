//! Standard output that closes, or that nobody reads, in the middle of a storm.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use forktrace::provoke::sys::{self, Signal};
use forktrace::record::Record;

use super::super::{Behaviour, refused_user};
use crate::actor::Prober;
use crate::arch::page;
use crate::machine::await_some;
use crate::runner::Tests;
use crate::tracer::{PATIENCE, parse};

pub(super) const BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "fault_output_closes",
        run: closes,
    },
    Behaviour {
        name: "fault_output_blocks",
        run: blocks,
    },
];

/// Users that are refused at once: each has 16 records a second in full.
const USERS: u32 = 12;
const EACH: u32 = 400;
/// The first records of [`USERS`] are more than a pipe of a page holds.
const STORM: u64 = (USERS * EACH) as u64;
/// Of these, while it waits.
const ROUNDS: u64 = 4;

/// A `live --format json` whose standard output is a pipe.
struct Piped {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
}

impl Piped {
    /// Waits for the session line.
    fn start(tests: &Tests, comm: &str) -> Result<Self> {
        let mut command = Command::new(&tests.binary);
        command.args(["live", "--format", "json", "--comm", comm]);
        sys::dies_with_parent(&mut command);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("no pipe")?;
        rustix::pipe::fcntl_setpipe_size(&out, page()).context("F_SETPIPE_SZ")?;
        let mut out = BufReader::new(out);
        let mut line = String::new();
        out.read_line(&mut line)?;
        ensure!(line.contains("\"session\""), "no session line: {line:?}");
        Ok(Self {
            child,
            out: Some(out),
        })
    }

    /// Sleeps in a write to the pipe.
    fn await_blocked(&self) -> Result<()> {
        let path = format!("/proc/{}/wchan", self.child.id());
        let mut last = String::new();
        let found = await_some(PATIENCE, || {
            last = fs::read_to_string(&path).ok()?;
            // fs/pipe.c: up to 5.4 pipe_wait, since then pipe_write.
            last.contains("pipe").then_some(())
        });
        found.with_context(|| format!("it doesn't wait for the pipe but in {last:?}"))
    }

    fn wait(&mut self) -> Result<()> {
        let status = await_some(PATIENCE, || self.child.try_wait().ok().flatten());
        let status = status.context("it did not end")?;
        ensure!(status.code() == Some(0), "{status}");
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        sys::kill(self.child.id() as i32, signal);
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn users(tests: &Tests, comm: &str) -> Result<Vec<Prober>> {
    (0..USERS)
        .map(|n| refused_user(comm, tests.place.uid(170 + n), EACH))
        .collect()
}

fn fire(users: &mut [Prober]) -> Result<()> {
    for user in &mut *users {
        user.actor.send()?;
    }
    for user in users {
        user.actor.hear()?;
    }
    Ok(())
}

fn closes(tests: &Tests) -> Result<()> {
    let mut users = users(tests, "closed-pipe")?;
    let mut piped = Piped::start(tests, "closed-pipe")?;
    for user in &mut users {
        user.actor.send()?;
    }
    let mut line = String::new();
    piped.out.as_mut().context("open")?.read_line(&mut line)?;
    drop(piped.out.take());
    piped.wait()?;
    for user in &mut users {
        user.actor.hear()?;
    }
    Ok(())
}

/// What was not read meanwhile is counted, and when it is read again all of it adds up.
fn blocks(tests: &Tests) -> Result<()> {
    let mut users = users(tests, "full-pipe")?;
    let mut piped = Piped::start(tests, "full-pipe")?;
    let before = resident(&piped.child)?;
    // None of them waits for forktrace, or this would not come back.
    fire(&mut users)?;
    piped.await_blocked()?;
    for _ in 1..ROUNDS {
        fire(&mut users)?;
    }
    let grown = resident(&piped.child)?.saturating_sub(before);
    ensure!(grown < 4 << 20, "grown by {grown} bytes while it waited");
    piped.signal(Signal::TERM);
    let mut rest = String::new();
    let mut out = piped.out.take().context("open")?;
    out.read_to_string(&mut rest)?;
    piped.wait()?;
    let mut counted = 0;
    let mut summed = None;
    for line in rest.lines() {
        match parse(line.as_bytes())?.record {
            Record::Failure(_) => counted += 1,
            Record::Repeat(repeat) => counted += repeat.count,
            Record::Loss(loss) if loss.is_of_failures() => counted += loss.count,
            Record::Summary(summary) => summed = Some(summary),
            _ => {}
        }
    }
    let summary = summed.context("no summary")?;
    let wanted = STORM * ROUNDS - summary.skipped.min(STORM);
    ensure!(
        counted >= wanted && counted <= STORM * ROUNDS && summary.failures == counted,
        "{counted} failures are recorded and {} summed up, of {}",
        summary.failures,
        STORM * ROUNDS
    );
    Ok(())
}

/// Resident bytes of a process.
fn resident(child: &Child) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = line.and_then(|l| l.trim().strip_suffix(" kB"));
    let kib: u64 = kib.context("no VmRSS")?.trim().parse()?;
    Ok(kib << 10)
}
