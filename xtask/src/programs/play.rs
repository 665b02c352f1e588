//! One run: the program under a limit, and what comes of it.

use super::{
    cgroup::Cgroup,
    place::Place,
    run_data::{Run, Server},
    traced::{Refused, Traced},
};
use crate::paths;
use anyhow::{Context, Result, ensure};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Tasks that a server may have before its limit comes, and more that a program may have in the end.
const ROOM: u64 = 256;
/// How long a server may take to be ready.
const READY: Duration = Duration::from_secs(30);
/// How long a program that waits may take to go on once there is room.
const HEALED: Duration = Duration::from_secs(20);
/// Who has not asked again for so long after there was room is one who doesn't.
const QUIET: Duration = Duration::from_secs(4);

/// Bytes of what a server printed that are shown where it isn't ready.
const SHOWN: usize = 400;

/// What was seen.
pub(super) struct Seen {
    pub output: Vec<u8>,
    pub refused: Vec<Refused>,
    /// By the cgroup's own count.
    pub counted: u64,
    pub end: End,
    pub after: After,
    pub seconds: u64,
}

/// How a program ended while it had no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Status(i32),
    Signal(i32),
    Alive,
}

/// What came once there was room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// It had ended.
    NotLookedAt,
    /// It went on by itself.
    Healed,
    /// It asked no more until it was told to.
    ByHand,
    /// It did not come back.
    Lost,
}

/// Plays it.
pub(super) fn play(run: &Run, name: &str, place: &Place, forktrace: &Path) -> Result<Seen> {
    ensure!(
        place.script(&run.before, &Place::variables(run))?,
        "its preparation failed"
    );
    let limit = match run.server {
        Some(_) => ROOM,
        None => tasks(1, run.room),
    };
    let cgroup = Cgroup::new(name, limit)?;
    let work = paths::work_dir("programs")?;
    let traced = Traced::start(
        forktrace,
        cgroup.path(),
        work.join(format!("{name}.ndjson")),
    )?;
    let printed = work.join(format!("{name}.txt"));
    let mut child = Kept(start(run, place, &cgroup, &printed)?);
    let begun = Instant::now();
    let (end, after) = match &run.server {
        None => command(run, &mut child, &cgroup)?,
        Some(server) => serve(run, server, &mut child, &cgroup, place).with_context(|| {
            let printed = fs::read(&printed).unwrap_or_default();
            let end = printed.len().saturating_sub(SHOWN);
            format!(
                "it printed: {}",
                String::from_utf8_lossy(&printed[end..]).trim()
            )
        })?,
    };
    let seconds = begun.elapsed().as_secs();
    let counted = cgroup.refused()?;
    drop(child);
    drop(cgroup);
    let refused = traced.stop()?;
    let mut output = fs::read(&printed)?;
    let _ = fs::remove_file(&printed);
    if let Some(log) = run.server.as_ref().and_then(|server| server.log.as_deref()) {
        output.extend(place.read(log).unwrap_or_default());
    }
    if let Some(name) = &run.logged_as {
        output = as_logged(name, &output);
    }
    Ok(Seen {
        output,
        refused,
        counted,
        end,
        after,
        seconds,
    })
}

/// Each line as syslog would have written it.
fn as_logged(name: &str, output: &[u8]) -> Vec<u8> {
    let mut logged = Vec::new();
    for line in output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        logged.extend(format!("{name}[812]: ").bytes());
        logged.extend(line);
        logged.push(b'\n');
    }
    logged
}

/// Ends when this does.
struct Kept(Child);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// In the cgroup from its first moment on.
fn start(run: &Run, place: &Place, cgroup: &Cgroup, printed: &Path) -> Result<Child> {
    let inner = place.command();
    let mut join = Command::new("sh");
    join.args(["-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(cgroup.procs())
        .arg(inner.get_program())
        .args(inner.get_args())
        .args(&run.command)
        .env_clear()
        .current_dir(place.root());
    for (name, value) in inner.get_envs() {
        join.env(name, value.unwrap_or_default());
    }
    join.envs(Place::variables(run));
    let out = File::create(printed).with_context(|| format!("creating {}", printed.display()))?;
    join.stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .context("starting a shell")
}

fn command(run: &Run, child: &mut Kept, cgroup: &Cgroup) -> Result<(End, After)> {
    if let Some(status) = wait(child, Duration::from_secs(run.seconds))? {
        return Ok((end(status), After::NotLookedAt));
    }
    cgroup.limit(cgroup.tasks()? + ROOM)?;
    let healed = wait(child, HEALED)?.is_some_and(|status| status.success());
    let after = if healed { After::Healed } else { After::Lost };
    Ok((End::Alive, after))
}

fn serve(
    run: &Run,
    server: &Server,
    child: &mut Kept,
    cgroup: &Cgroup,
    place: &Place,
) -> Result<(End, After)> {
    let mut variables = Place::variables(run);
    variables.push(("PID", child.0.id().to_string()));
    let script = |text: &str| place.script(text, &variables);
    until(READY, || script(&server.ready)).context("it was not ready")?;
    settle(cgroup)?;
    cgroup.limit(tasks(cgroup.tasks()?, run.room))?;
    script(&server.act)?;
    if let Some(status) = wait(child, Duration::from_secs(run.seconds))? {
        return Ok((end(status), After::NotLookedAt));
    }
    let without = cgroup.tasks()?;
    cgroup.limit(without + ROOM)?;
    let Some(heal) = &server.heal else {
        let healed = until(HEALED, || script(&server.act)).is_ok();
        let after = if healed { After::Healed } else { After::Lost };
        return Ok((End::Alive, after));
    };
    sleep(QUIET);
    if cgroup.tasks()? > without {
        return Ok((End::Alive, After::Healed));
    }
    script(heal)?;
    let back = until(HEALED, || Ok(cgroup.tasks()? > without)).is_ok();
    let after = if back { After::ByHand } else { After::Lost };
    Ok((End::Alive, after))
}

/// With so much room beside these, and one at least.
fn tasks(these: u64, room: i64) -> u64 {
    these.saturating_add_signed(room).max(1)
}

/// Until its tasks are as many as before.
fn settle(cgroup: &Cgroup) -> Result<()> {
    let mut before = 0;
    until(READY, || {
        sleep(Duration::from_millis(500));
        let now = cgroup.tasks()?;
        Ok(std::mem::replace(&mut before, now) == now)
    })
}

fn until(most: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let begun = Instant::now();
    while !done()? {
        ensure!(begun.elapsed() < most, "in {} s", most.as_secs());
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn wait(child: &mut Kept, most: Duration) -> Result<Option<ExitStatus>> {
    let begun = Instant::now();
    loop {
        let status = child.0.try_wait()?;
        if status.is_some() || begun.elapsed() > most {
            return Ok(status);
        }
        sleep(Duration::from_millis(20));
    }
}

fn end(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Status(code),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}
