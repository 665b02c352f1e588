//! What other tools cost on the operations that `bench` measures, and what they say of a refused fork.

use std::fs;
use std::fs::File;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys::{self, Signal};

use crate::bench;
use crate::bench_storm::rss;
use crate::machine;
use crate::tracer::{PATIENCE, Scratch};

/// The operations that a table of tools can hold.
const OPERATIONS: &[&str] = &["getppid", "vfork_exit_wait", "fork_exit_wait"];
/// Twentieths of a second for which it may work before it is attached: it compiles.
const LOOKS: u32 = 4000;
/// Lines of what it says that are shown.
const SHOWN: usize = 3;

/// Runs `words` (in which `@PID@` stands for this process) and measures under it; without words,
/// what the operations cost in its machine. A peer whose name begins with `none` need not report the
/// refused fork.
pub(crate) fn run(peer: &str, words: &[String]) -> Result<()> {
    // Where systemd mounts it.
    let mut mount = Command::new("mount");
    mount.args(["-t", "tracefs", "tracefs", "/sys/kernel/tracing"]);
    ensure!(mount.status()?.success(), "tracefs can't be mounted");
    let scratch = Scratch::new()?;
    if words.is_empty() {
        sleep(Duration::from_secs(20));
        return bench::measure_apart(peer, OPERATIONS);
    }
    let own = std::process::id().to_string();
    let mut words = words.iter().map(|word| word.replace("@PID@", &own));
    let said = scratch.path("said");
    let file = File::create(&said)?;
    let mut child = Command::new(words.next().context("no command")?)
        .args(words)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let text = || String::from_utf8_lossy(&fs::read(&said).unwrap_or_default()).into_owned();
    // Not at rest because it has not begun.
    sleep(Duration::from_secs(2));
    if let Err(error) = bench::await_rest(child.id() as i32, LOOKS) {
        bail!("{error:#}; it said: {}", text().trim());
    }
    // As in `bench::run`.
    sleep(Duration::from_secs(20));
    let before = text().lines().count();
    bench::measure_apart(peer, OPERATIONS)?;
    // What it holds back is written at the latest when it ends.
    let resident = rss(child.id() as i32)?;
    sys::kill(child.id() as i32, Signal::INT);
    machine::await_some(PATIENCE, || child.try_wait().ok().flatten()).context("it does not end")?;
    println!("PEER\t{peer}\tresident\t{resident}");
    let text = text();
    let lines = text
        .lines()
        .skip(before)
        .filter(|line| !line.trim().is_empty());
    let refused = lines.filter(|line| line.contains("-11") || line.contains("EAGAIN"));
    let shown: Vec<&str> = refused.take(SHOWN).collect();
    ensure!(
        !shown.is_empty() || peer.starts_with("none"),
        "it reports no refused fork: {}",
        text.trim()
    );
    for line in shown {
        println!("SAID\t{peer}\t{}", line.trim());
    }
    Ok(())
}
