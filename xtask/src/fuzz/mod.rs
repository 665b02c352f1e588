//! `cargo xtask fuzz`: inputs that libFuzzer makes up, for what reads files: recordings, the
//! kernel's types, mounts and cgroups, /proc.
//!
//! The targets are laid out as cargo-fuzz wants them (`fuzz/`), and are built here without it: coverage
//! takes a few flags of the compiler, and no nightly one.

mod seeds;

use crate::arch::Arch;
use crate::{apt, paths, run};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

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

/// A fuzz target, and how many inputs the tests make up for it.
pub(crate) struct Target {
    /// Its file in `fuzz/fuzz_targets`, and its name.
    pub name: &'static str,
    pub runs_in_tests: u64,
    seed: fn(&Path) -> Result<()>,
}

/// All of them.
pub(crate) const TARGETS: [Target; 4] = [
    Target {
        name: "reader",
        runs_in_tests: 20_000,
        seed: recordings,
    },
    Target {
        name: "btf",
        runs_in_tests: 50_000,
        seed: |corpus| write(corpus, "seed", &seeds::btf()),
    },
    Target {
        name: "cgroup",
        runs_in_tests: 50_000,
        seed: |corpus| write_all(corpus, &seeds::CGROUP),
    },
    Target {
        name: "proc",
        runs_in_tests: 50_000,
        seed: |corpus| write_all(corpus, &seeds::PROC),
    },
];

/// Arguments of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Inputs for each target [default: what the tests run]
    #[arg(long, value_name = "N")]
    runs: Option<u64>,
    /// Only this one: reader (recordings), btf, cgroup (mounts and paths), proc
    #[arg(long, value_name = "NAME", value_parser = TARGETS.map(|t| t.name))]
    target: Option<String>,
}

/// Fuzzes; inputs that showed something new are kept for the next time.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let work = paths::work_dir("fuzz")?;
    let wanted = |target: &&Target| args.target.as_ref().is_none_or(|name| name == target.name);
    build(&work)?;
    for target in TARGETS.iter().filter(wanted) {
        let corpus = work.join(target.name);
        fs::create_dir_all(&corpus).with_context(|| format!("mkdir {}", corpus.display()))?;
        (target.seed)(&corpus)?;
        run(
            target,
            &corpus,
            args.runs.unwrap_or(target.runs_in_tests),
            &work,
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A fixed number of inputs, from the seeds alone.
pub(crate) fn test() -> Result<()> {
    let work = paths::work_dir("fuzz")?;
    build(&work)?;
    for target in &TARGETS {
        let corpus = work.join("test").join(target.name);
        if corpus.exists() {
            fs::remove_dir_all(&corpus)
                .with_context(|| format!("clearing {}", corpus.display()))?;
        }
        fs::create_dir_all(&corpus)?;
        (target.seed)(&corpus)?;
        run(target, &corpus, target.runs_in_tests, &work)?;
    }
    Ok(())
}

/// Each behind the byte that says how the target reads it.
fn write_all(corpus: &Path, inputs: &[(u8, &[u8])]) -> Result<()> {
    for (n, (how, text)) in inputs.iter().enumerate() {
        write(corpus, &format!("seed-{n}"), &[&[*how], *text].concat())?;
    }
    Ok(())
}

fn write(corpus: &Path, name: &str, input: &[u8]) -> Result<()> {
    fs::write(corpus.join(name), input).with_context(|| format!("writing {name}"))
}

/// One input a kind of line, in each of the target's ways.
fn recordings(corpus: &Path) -> Result<()> {
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
            write(corpus, &name, &input)?;
        }
        kinds.push(kind);
    }
    Ok(())
}

fn run(target: &Target, corpus: &Path, runs: u64, work: &Path) -> Result<()> {
    let binary = binary(work, target);
    // What it says of its progress goes to standard error, and is of use when it fails.
    run::quiet(
        Command::new(binary)
            .arg(format!("-runs={runs}"))
            .args(["-max_len=16384", "-rss_limit_mb=1024", "-timeout=60"])
            .arg(format!(
                "-artifact_prefix={}/{}-",
                work.display(),
                target.name
            ))
            .arg(corpus),
    )?;
    let kept = fs::read_dir(corpus)?.count();
    let name = target.name;
    eprintln!("xtask: fuzz: {name}: {runs} inputs, {kept} of them show something of their own");
    Ok(())
}

fn build(work: &Path) -> Result<()> {
    apt::require(
        &[apt::Package::new("g++", Path::new("/usr/bin/g++"))],
        "building libFuzzer",
    )?;
    run::quiet(
        run::cargo()
            .current_dir(paths::root().join("fuzz"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--target",
                Arch::HERE.facts().triple,
            ])
            .env("CARGO_TARGET_DIR", work.join("target"))
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f")),
    )
    .context("building the fuzz targets")
}

fn binary(work: &Path, target: &Target) -> PathBuf {
    let built = work
        .join("target")
        .join(Arch::HERE.facts().triple)
        .join("debug");
    built.join(target.name)
}
