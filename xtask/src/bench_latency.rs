//! `cargo xtask bench latency`: how long after a refused fork has returned its line can be read.

use crate::arch::Arch;
use crate::guest::{self, Measure, Programs};
use crate::run;
use anyhow::{Context, Result};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(1200);

/// Arguments of `cargo xtask bench latency`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// On a test kernel, and not on this host (as root)
    #[arg(long)]
    kernel: Option<String>,
    /// The attach styles
    #[arg(long, default_values_t = ["auto".to_owned()])]
    style: Vec<String>,
    /// Refused forks idle, and in each storm
    #[arg(long, default_value_t = 200)]
    samples: u32,
}

/// Runs it.
pub(crate) fn main(args: &Args) -> Result<()> {
    let programs = Programs::get(Arch::HERE, None, None)?;
    let kernel = args
        .kernel
        .as_deref()
        .map(guest::kernel_called)
        .transpose()?;
    match &kernel {
        Some(kernel) => println!("### Linux {} ({})\n", kernel.name, kernel.version),
        None => println!("### this host\n"),
    }
    println!(
        "| storm beside it | style | refused | reported in full | p50, ms | p99, ms | most, ms |\n\
         |---|---|---:|---:|---:|---:|---:|"
    );
    for style in &args.style {
        let samples = args.samples.to_string();
        let words = ["bench-latency", "--style", style, "--samples", &samples];
        let output = match &kernel {
            None => {
                let mut command = Command::new(&programs.scenarios);
                command.args(words);
                command.arg("--forktrace").arg(&programs.forktrace);
                run::capture(&mut command)?
            }
            Some(kernel) => Measure {
                kernel: &kernel.image,
                programs: &programs,
                files: &[],
                mem: 512,
                icount: false,
                limit: LIMIT,
            }
            .run(words.into_iter().chain(["--forktrace", "/bin/forktrace"]))?,
        };
        for line in output.lines() {
            if let Some(line) = line.strip_prefix("LATENCY\t") {
                println!("{}", row(line)?);
            }
        }
    }
    Ok(())
}

/// Of `style storm refused reported p50 p99 most`, nanoseconds, separated by tabs.
fn row(line: &str) -> Result<String> {
    let columns: Vec<&str> = line.split('\t').map(str::trim).collect();
    let [style, storm, refused, reported, times @ ..] = &columns[..] else {
        anyhow::bail!("too few numbers in {line:?}");
    };
    let milliseconds = times.iter().map(|time| {
        let nanoseconds: f64 = time.parse().context("a time that is no number")?;
        Ok(format!("{:.2}", nanoseconds / 1e6))
    });
    let times = milliseconds.collect::<Result<Vec<_>>>()?.join(" | ");
    Ok(format!(
        "| {storm} | {style} | {refused} | {reported} | {times} |"
    ))
}
