//! `cargo xtask programs`: the catalogue of programs (`forktrace/src/program/`) against the programs.
//!
//! Debian's packages, PyPI's and npm's are installed into a folder of their own. There each program is run
//! that `runs.toml` describes, in a cgroup whose pids.max refuses what it asks for. What it says, how often
//! and by which system call it asks, how it ends and whether it heals is held against the catalogue.
//!
//! All that runs has mounts and a network of its own, and a cgroup that is emptied, so that nothing is
//! left when it ends. Processes have this machine's numbers: only of those does a tracer of the whole
//! machine know the executable. `runs.toml` has nothing that makes a program crash or hang for good: what is known
//! to do so stands in the catalogue, in words.

mod catalogue;
mod cgroup;
mod compare;
mod packages;
mod place;
mod play;
mod run_data;
mod table;
mod traced;

use crate::{guest::Programs, paths};
use anyhow::{Context, Result, anyhow, bail, ensure};
use catalogue::{Catalogue, Wish};
use place::Place;
use run_data::Run;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use table::{Row, Verdict};

/// Set for the process that has namespaces of its own.
const INSIDE: &str = "FORKTRACE_PROGRAMS_INSIDE";

/// Arguments of `cargo xtask programs`.
#[derive(Clone, clap::Args)]
pub(crate) struct Args {
    /// Only these programs, by the names of their files
    #[arg(long = "only", value_name = "NAME")]
    only: Vec<String>,
    /// This machine's own programs, as far as they are there; nothing is installed
    #[arg(long)]
    here: bool,
    /// The few that the tests run
    #[arg(long)]
    short: bool,
    /// Begin no further program after so many minutes
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// This forktrace, and not one that is built
    #[arg(long)]
    forktrace: Option<PathBuf>,
}

/// Runs them.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    // SAFETY: geteuid has no preconditions and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    ensure!(
        root,
        "tracing takes root, and so do cgroups and namespaces of one's own"
    );
    if std::env::var_os(INSIDE).is_some() {
        return inside(args);
    }
    let runs = chosen(args)?;
    if !args.here {
        place::install(&runs)?;
    }
    let forktrace = match &args.forktrace {
        Some(path) => std::path::absolute(path)?,
        None => Programs::get(crate::arch::Arch::HERE, None, None)?.forktrace,
    };
    let error = again(args, &forktrace).exec();
    Err(error).context("starting unshare, of util-linux")
}

/// The tests' few, of this machine's own programs; what they print.
pub(crate) fn short(forktrace: &Path) -> Result<String> {
    let args = Args {
        only: Vec::new(),
        here: true,
        short: true,
        minutes: 1,
        forktrace: None,
    };
    let out = again(&args, forktrace).stdin(Stdio::null()).output();
    let out = out.context("starting unshare, of util-linux")?;
    let printed = String::from_utf8_lossy(&out.stdout).into_owned();
    ensure!(
        printed.contains("\nprograms: "),
        "it ended before its last line: {}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr).trim()
    );
    Ok(printed)
}

/// This program once more, in namespaces that end with it.
fn again(args: &Args, forktrace: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "--net", "--ipc"])
        .args(["--fork", "--kill-child"])
        .arg(std::env::current_exe().unwrap_or_else(|_| "/proc/self/exe".into()))
        .arg("programs")
        .args(["--minutes", &args.minutes.to_string()])
        .arg("--forktrace")
        .arg(forktrace)
        .args(args.here.then_some("--here"))
        .args(args.short.then_some("--short"))
        .env(INSIDE, "1");
    for name in &args.only {
        command.args(["--only", name]);
    }
    command
}

fn chosen(args: &Args) -> Result<Vec<Run>> {
    let all = run_data::all()?;
    let unknown = |name: &&String| !all.iter().any(|run| run.program == **name);
    if let Some(name) = args.only.iter().find(unknown) {
        bail!("no run of {name:?} is described in xtask/src/programs/runs.toml");
    }
    let chosen = all.into_iter().filter(|run| {
        (args.only.is_empty() || args.only.contains(&run.program)) && (run.short || !args.short)
    });
    Ok(chosen.collect())
}

fn inside(args: &Args) -> Result<ExitCode> {
    let forktrace = args
        .forktrace
        .as_deref()
        .context("--forktrace is missing")?;
    let runs = chosen(args)?;
    let catalogue = Catalogue::of(forktrace)?;
    let session = Session {
        place: Place::enter(args.here)?,
        forktrace,
        logs: paths::work_dir("programs/logs")?,
        end: Instant::now() + Duration::from_secs(60 * args.minutes),
    };
    let begun = Instant::now();
    let mut wishes = Vec::new();
    for run in &runs {
        wishes.push(catalogue.wish(&run.program, &run.wish)?);
    }
    let all = runs.iter().zip(&wishes).enumerate();
    let rows: Vec<Row> = match args.short {
        // Most of them wait: side by side they take as long as the longest.
        true => thread::scope(|scope| {
            let session = &session;
            let started: Vec<_> = all
                .map(|(at, (run, wish))| scope.spawn(move || session.row(at, run, wish)))
                .collect();
            let rows = started.into_iter().map(ScopedJoinHandle::join);
            rows.collect::<Result<_, _>>()
                .map_err(|_| anyhow!("a run panicked"))
        })?,
        false => all
            .map(|(at, (run, wish))| session.row(at, run, wish))
            .collect(),
    };
    cgroup::tidy();
    let table = paths::work("programs").join("table.md");
    std::fs::write(&table, table::markdown(&rows))?;
    let differ = rows.iter().filter(|row| row.differs()).count();
    let skipped = rows.iter().filter(|row| row.is_skipped()).count();
    println!(
        "\nprograms: {} as the catalogue says, {differ} not, {skipped} skipped, in {} s; the table: {}",
        rows.len() - differ - skipped,
        begun.elapsed().as_secs(),
        table.display()
    );
    Ok(match differ {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// What all runs have in common.
struct Session<'a> {
    place: Place,
    forktrace: &'a Path,
    logs: PathBuf,
    /// No further one is begun then.
    end: Instant,
}

impl Session<'_> {
    fn row(&self, at: usize, run: &Run, wish: &Wish) -> Row {
        let verdict = self
            .verdict(at, run, wish)
            .unwrap_or_else(|error| Verdict::Differs(None, vec![format!("{error:#}")]));
        let row = Row::new(run, wish, &self.place, verdict);
        println!("{row}");
        row
    }

    fn verdict(&self, at: usize, run: &Run, wish: &Wish) -> Result<Verdict> {
        if Instant::now() > self.end {
            return Ok(Verdict::Skipped("no time is left".to_owned()));
        }
        if let Some(missing) = self.place.missing(run) {
            return Ok(Verdict::Skipped(format!("{missing} is not installed")));
        }
        let name = format!("{:02}-{}", at + 1, run.program);
        let seen = play::play(run, &name, &self.place, self.forktrace)?;
        std::fs::write(self.logs.join(format!("{name}.log")), &seen.output)?;
        compare::compare(run, wish, &seen, self.forktrace)
    }
}
