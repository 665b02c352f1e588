//! `cargo xtask fuzz`: inputs that libFuzzer makes up, for what reads files.
//!
//! The target is laid out as cargo-fuzz wants it (`fuzz/`), and is built here without it: coverage
//! takes a few flags of the compiler, and no nightly one.

use crate::{apt, paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What the tests run.
pub const RUNS_IN_TESTS: u64 = 20_000;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const SEEDS: [&str; 2] = [
    "forktrace/tests/data/schema-1.ndjson",
    "forktrace/tests/data/oom-kill.ndjson",
];
/// SanitizerCoverage: a counter on each edge, and a table of them, without the comparisons, which
/// would treble the time to compile.
const FLAGS: [&str; 5] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=3",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
];

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Args {
    /// So many inputs
    #[arg(long, value_name = "N", default_value_t = RUNS_IN_TESTS)]
    runs: u64,
}

/// Fuzzes the reader; inputs that showed something new are kept for the next time.
pub fn main(args: &Args) -> Result<ExitCode> {
    let work = paths::work_dir("fuzz")?;
    let corpus = work.join("reader");
    fs::create_dir_all(&corpus).with_context(|| format!("mkdir {}", corpus.display()))?;
    seed(&corpus)?;
    run(&corpus, args.runs, &work)?;
    Ok(ExitCode::SUCCESS)
}

/// A fixed number of inputs, from the seeds alone.
pub fn test() -> Result<()> {
    let work = paths::work_dir("fuzz")?;
    let corpus = work.join("test");
    if corpus.exists() {
        fs::remove_dir_all(&corpus).with_context(|| format!("clearing {}", corpus.display()))?;
    }
    fs::create_dir_all(&corpus)?;
    seed(&corpus)?;
    run(&corpus, RUNS_IN_TESTS, &work)
}

/// One input a kind of line, in each of the target's ways.
fn seed(corpus: &Path) -> Result<()> {
    let mut text = String::new();
    for seeds in SEEDS {
        let path = paths::root().join(seeds);
        text += &fs::read_to_string(&path).with_context(|| format!("reading {seeds}"))?;
    }
    let kind = |line: &str| {
        line.chars()
            .filter(char::is_ascii_alphabetic)
            .take(60)
            .collect()
    };
    let mut kinds: Vec<String> = Vec::new();
    for line in text.lines() {
        let kind: String = kind(
            line.rsplit_once("\"cause\":")
                .map_or(line, |(_, cause)| cause),
        );
        if kinds.contains(&kind) {
            continue;
        }
        for how in 0..4_u8 {
            let input = [&[how], line.as_bytes(), b"\n"].concat();
            let name = format!("seed-{}-{how}", kinds.len());
            fs::write(corpus.join(&name), input).with_context(|| format!("writing {name}"))?;
        }
        kinds.push(kind);
    }
    Ok(())
}

fn run(corpus: &Path, runs: u64, work: &Path) -> Result<()> {
    let binary = build(work)?;
    // What it says of its progress goes to standard error, and is of use when it fails.
    run::quiet(
        Command::new(binary)
            .arg(format!("-runs={runs}"))
            .args(["-max_len=16384", "-rss_limit_mb=1024", "-timeout=60"])
            .arg(format!("-artifact_prefix={}/", work.display()))
            .arg(corpus),
    )?;
    let kept = fs::read_dir(corpus)?.count();
    eprintln!("xtask: fuzz: {runs} inputs, {kept} of them show something of their own");
    Ok(())
}

fn build(work: &Path) -> Result<PathBuf> {
    apt::require(
        &[apt::Package::new("g++", Path::new("/usr/bin/g++"))],
        "building libFuzzer",
    )?;
    let target = work.join("target");
    run::quiet(
        run::cargo()
            .current_dir(paths::root().join("fuzz"))
            .args(["build", "--quiet", "--locked", "--target", TARGET])
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")),
    )
    .context("building the fuzz target")?;
    Ok(target.join(TARGET).join("debug/reader"))
}
