//! The scenarios on this machine's own kernel.

use super::{Matrix, Tally};
use crate::guest::{Programs, reader};
use crate::{apt, paths, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Where the scenarios put the lines that they read, and forktrace/tests/schema.rs finds them.
const RECORDINGS: &str = "FORKTRACE_RECORDINGS";
const LIMIT: Duration = Duration::from_secs(600);

/// Runs them, as root; without root it is one skipped case.
pub fn run(
    programs: &Programs,
    more: &[String],
    tally: &mut Tally,
    matrix: &mut Matrix,
) -> Result<()> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        tally.skip("native", "attaching probes takes root");
        return Ok(());
    }
    apt::require(
        &[apt::Package::new(
            "postgresql",
            Path::new("/usr/share/doc/postgresql"),
        )],
        "testing with a real PostgreSQL",
    )?;
    let recordings = paths::work("recordings");
    if recordings.exists() {
        fs::remove_dir_all(&recordings)
            .with_context(|| format!("clearing {}", recordings.display()))?;
    }
    fs::create_dir_all(&recordings)?;
    let mut command = Command::new(&programs.scenarios);
    command
        .arg("native")
        .arg("--forktrace")
        .arg(&programs.forktrace)
        .args(more)
        .env(RECORDINGS, &recordings);
    let (output, problem) = follow(&mut command)?;
    let log = paths::work_dir("logs")?.join("native.log");
    fs::write(&log, &output).with_context(|| format!("writing {}", log.display()))?;
    let read = tally.read("native", &output);
    matrix.read("native", "", &output);
    if let Some(problem) = problem.filter(|_| read.failed == 0) {
        tally.fail("native", &format!("{problem}; see {}", log.display()));
    } else if !read.closed {
        tally.fail(
            "native",
            &format!("ended before its closing line; see {}", log.display()),
        );
    }
    tally.step(
        "native: every recorded line fits the schema",
        &fit_the_schema(&recordings),
    );
    Ok(())
}

/// Holds every line that was recorded against the JSON Schema. (Those of the test machines stay
/// there: they are only held against the types that the schema is made from.)
fn fit_the_schema(recordings: &Path) -> Result<()> {
    let mut test = run::plain_cargo();
    test.args(["test", "--quiet", "--package", "forktrace"])
        .args(["--test", "schema", "this_test_run"])
        .env(RECORDINGS, recordings);
    run::quiet(&mut test)
}

/// The command's output, and what went wrong with its end.
fn follow(command: &mut Command) -> Result<(String, Option<String>)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("starting `{}`", run::line(command)))?;
    let Some(out) = child.stdout.take() else {
        bail!("the scenarios have no output")
    };
    let from = reader(out);
    let start = Instant::now();
    let mut output = Vec::new();
    let mut problem = None;
    loop {
        match from.recv_timeout(LIMIT.saturating_sub(start.elapsed())) {
            Ok(bytes) => output.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().context("stopping the scenarios")?;
                problem = Some(format!("stopped after {} s", LIMIT.as_secs()));
                break;
            }
        }
    }
    let status = child.wait().context("waiting for the scenarios")?;
    if problem.is_none() && !status.success() {
        problem = Some(status.to_string());
    }
    Ok((String::from_utf8_lossy(&output).into_owned(), problem))
}
