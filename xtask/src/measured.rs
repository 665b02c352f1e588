//! What a run of a program costs: time, processor and memory.

use crate::run;
use anyhow::{Context, Result, bail};
use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One run of a program.
pub(crate) struct Run {
    /// From its start to its end.
    pub took: Duration,
    /// Of all its threads, in the program and in the kernel.
    pub cpu: Duration,
    /// Resident memory at its most, in KiB.
    pub peak: u64,
    /// Its standard output.
    pub said: String,
}

/// The head of a table of runs, each a [`Run::row`].
pub(crate) const HEAD: &str =
    "| | seconds | of CPU | MB/s | peak memory, MiB |\n|---|---:|---:|---:|---:|";

impl Run {
    /// A row of what was run on so many bytes.
    pub(crate) fn row(&self, name: &str, bytes: u64) -> String {
        let seconds = self.took.as_secs_f64();
        format!(
            "| {name} | {seconds:.2} | {:.2} | {:.0} | {} |",
            self.cpu.as_secs_f64(),
            bytes as f64 / 1e6 / seconds,
            self.peak / 1024
        )
    }
}

/// Runs it to its end.
///
/// # Errors
///
/// It can't be started, or fails.
pub(crate) fn measure(command: &mut Command) -> Result<Run> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let start = Instant::now();
    let mut child = command
        .spawn()
        .with_context(|| format!("starting `{}`", run::line(command)))?;
    let mut said = String::new();
    if let Some(mut out) = child.stdout.take() {
        out.read_to_string(&mut said)?;
    }
    let pid = libc::pid_t::try_from(child.id())?;
    let mut status = 0;
    // SAFETY: an all-zero rusage is a value of it.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the child of this process, which nobody has waited for; the
    // pointers are to locals.
    let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    let took = start.elapsed();
    if reaped != pid || status != 0 {
        bail!("`{}` failed: wait status {status:#x}", run::line(command));
    }
    let time = |t: libc::timeval| {
        Duration::from_secs(t.tv_sec.unsigned_abs())
            + Duration::from_micros(t.tv_usec.unsigned_abs())
    };
    Ok(Run {
        took,
        cpu: time(usage.ru_utime) + time(usage.ru_stime),
        peak: u64::try_from(usage.ru_maxrss)?,
        said,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_are_the_child_s() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo said"]);
        let run = measure(&mut command).unwrap();
        assert_eq!(run.said, "said\n");
        let peak = run.peak;
        assert!((100..1_000_000).contains(&peak), "{peak} KiB");
        assert!(measure(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }
}
