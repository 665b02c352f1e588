//! The scenarios on this machine's own kernel.

use super::{Matrix, Shared, Tally, Tier};
use crate::guest::{Programs, reader};
use crate::{apt, paths, run};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// Where the scenarios put the lines that they read, and forktrace/tests/schema.rs finds them.
const RECORDINGS: &str = "FORKTRACE_RECORDINGS";
const LIMIT: Duration = Duration::from_secs(600);

/// Runs them, as root; without root it is one skipped case.
pub(super) fn run(tier: Tier, programs: &Programs, more: &[String], shared: &Shared<'_>) {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let ran = if unsafe { libc::geteuid() } == 0 {
        Some(scenarios(tier, programs, more))
    } else {
        None
    };
    let Ok(mut results) = shared.results.lock() else {
        return;
    };
    let (tally, matrix) = &mut *results;
    match ran {
        None => tally.skip("native", "attaching probes takes root"),
        Some(Err(error)) => tally.fail("native", &format!("{error:#}")),
        Some(Ok(ran)) => {
            println!("\n== native: {}", ran.log.display());
            shared.times.cases("native", &ran.output);
            count(&ran, tally, matrix);
        }
    }
}

/// What came of it.
struct Ran {
    output: String,
    problem: Option<String>,
    log: PathBuf,
    schema: Result<()>,
}

fn scenarios(tier: Tier, programs: &Programs, more: &[String]) -> Result<Ran> {
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
    Ok(Ran {
        output,
        problem,
        log,
        schema: fit_the_schema(tier, &recordings),
    })
}

fn count(ran: &Ran, tally: &mut Tally, matrix: &mut Matrix) {
    let read = tally.read("native", &ran.output);
    matrix.read("native", "", &ran.output);
    let log = ran.log.display();
    if let Some(problem) = ran.problem.as_ref().filter(|_| read.failed == 0) {
        tally.fail("native", &format!("{problem}; see {log}"));
    } else if !read.closed {
        tally.fail(
            "native",
            &format!("ended before its closing line; see {log}"),
        );
    }
    tally.step("native: every recorded line fits the schema", &ran.schema);
}

/// Holds every line that was recorded against the JSON Schema. (Those of the test machines stay
/// there: they are only held against the types that the schema is made from.)
fn fit_the_schema(tier: Tier, recordings: &Path) -> Result<()> {
    let mut test = tier.cargo_test(&["--package", "forktrace"])?;
    test.args(["--test", "schema", "this_test_run"])
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
