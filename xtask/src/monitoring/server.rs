//! A program that runs beside the test, and ends with it.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Ended when dropped.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts it; what it says goes to a file in the folder, called as the program.
    pub(crate) fn start(folder: &Path, command: &mut Command) -> Result<Self> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        Self::named(folder, &name, command)
    }

    /// As [`Self::start`], and the file has this name.
    pub(crate) fn named(folder: &Path, name: &str, command: &mut Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out = File::create(&log)?;
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child, log })
    }

    /// What it has said.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to end as a service manager does, and waits for that.
    pub(crate) fn end(mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id())?;
        // SAFETY: numbers; the child has not been waited for, so that the pid is its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{status}: {}", self.said());
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries until it comes out.
pub(crate) fn until<T>(what: &str, mut attempt: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = Instant::now();
    let mut last = String::new();
    while begun.elapsed() < PATIENCE {
        match attempt() {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => {}
            Err(error) => last = format!("{error:#}"),
        }
        thread::sleep(Duration::from_millis(300));
    }
    bail!("{what}: not within {} s; {last}", PATIENCE.as_secs())
}
