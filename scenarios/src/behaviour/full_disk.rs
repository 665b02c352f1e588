//! A full disk: a clear error, and what was written stays readable.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use forktrace::provoke::sys;

use super::{Behaviour, in_own_mounts, no_panic, refused_user, started};
use crate::machine;
use crate::runner::Tests;
use crate::tracer::{Running, Tail, Tracer};

pub(super) const BEHAVIOURS: &[Behaviour] = &[Behaviour {
    name: "full_disk",
    run: |tests| in_own_mounts(|| full_disk(tests)),
}];

fn full_disk(tests: &Tests) -> Result<()> {
    let dir = tests.scratch.dir.join("full");
    fs::create_dir(&dir)?;
    sys::mount("tmpfs", &dir, "tmpfs", "size=64k")?;
    let file = dir.join("x.ndjson");
    let mut command = Command::new(&tests.binary);
    command.arg("record").arg("-o").arg(&file);
    let running = Running::start(&tests.scratch, "full", &mut command)?;
    let mut tracer = started(Tracer::follow(running, &file))?;
    fill(&dir.join("filler"))?;
    let mut prober = refused_user("full-disk", tests.place.uid(130), 1)?;
    let mut tail = Tail::open(&file).context("no recording")?;
    let ended = machine::await_some(Duration::from_secs(30), || {
        let _ = prober.fire();
        tracer.running.status()
    });
    if ended.is_none() {
        bail!("it did not end");
    }
    tracer.running.wait_for_exit(4)?;
    no_panic(&tracer.running.said())?;
    ensure!(
        tracer.running.said().contains("x.ndjson"),
        "it does not name the file: {}",
        tracer.running.said()
    );
    // A torn last line is allowed, nothing else.
    let lines = tail.read()?;
    ensure!(!lines.is_empty(), "the session line is gone");
    Ok(())
}

fn fill(path: &std::path::Path) -> Result<()> {
    let mut file = File::create(path)?;
    while file.write(&[0; 512]).is_ok() {}
    Ok(())
}
