//! `cargo xtask bench storm`: what a storm of refused forks costs with and without forktrace, and
//! whether all of it is counted.

use crate::arch::Arch;
use crate::guest::{self, Measure, Programs};
use crate::run;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::Duration;

const STYLES: [&str; 4] = ["none", "fexit", "kprobe", "tracepoint"];
/// Emulated, a refusal by a process of its own takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(3600);

/// Arguments of `cargo xtask bench storm`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The kernel to measure on, in a machine of one processor whose clock counts instructions
    #[arg(long, default_value = "6.12")]
    kernel: String,
    /// On this host in the styles none and tracepoint, by its own clock
    #[arg(long, conflicts_with = "kernel")]
    native: bool,
    /// Only these styles, beside `none`
    #[arg(long, value_parser = STYLES)]
    style: Vec<String>,
    /// Refusals of one process
    #[arg(long, default_value_t = 200_000)]
    one: u32,
    /// Refusals of a process each
    #[arg(long, default_value_t = 100_000)]
    processes: u32,
    /// Refusals of a process and a user each
    #[arg(long, default_value_t = 5_000)]
    users: u32,
}

/// Runs it; natively as root.
pub(crate) fn main(args: &Args) -> Result<()> {
    let native = ["none", "tracepoint"];
    let all: &[&str] = if args.native { &native } else { &STYLES };
    let wanted = |name: &&&str| {
        **name == "none" || args.style.is_empty() || args.style.iter().any(|s| s == **name)
    };
    let styles: Vec<&str> = all.iter().filter(wanted).copied().collect();
    let programs = Programs::get(Arch::HERE, None, None)?;
    let kernel = if args.native {
        None
    } else {
        Some(guest::kernel_called(&args.kernel)?)
    };
    let rows = [
        ("one", args.one),
        ("processes", args.processes),
        ("users", args.users),
    ];
    match &kernel {
        Some(kernel) => println!(
            "### Linux {} ({}), instructions\n",
            kernel.name, kernel.version
        ),
        None => println!("### this host, nanoseconds\n"),
    }
    println!(
        "| keys | style | refused | each | ratio | refused a second | forktrace's CPU | RSS before, most, after, KiB | counted | lost | skipped at most | reported in full |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    );
    for (keys, refusals) in rows.into_iter().filter(|(_, refusals)| *refusals > 0) {
        let mut bare = None;
        for style in &styles {
            let count = refusals.to_string();
            let arguments = ["--style", style, "--keys", keys, "--refusals", &count];
            let output = match &kernel {
                Some(kernel) => {
                    let words = ["bench-storm", "--forktrace", "/bin/forktrace"];
                    let machine = Measure {
                        kernel: &kernel.image,
                        programs: &programs,
                        files: &[],
                        mem: 1024,
                        icount: true,
                        limit: LIMIT,
                    };
                    machine.run(words.into_iter().chain(arguments))
                }
                None => here(&arguments, &programs),
            };
            match output.and_then(|output| Measured::read(&output)) {
                Ok(measured) => println!("{}", measured.row(keys, style, &mut bare)),
                Err(error) => eprintln!("xtask: {keys}, {style}: {error:#}"),
            }
        }
    }
    Ok(())
}

fn here(arguments: &[&str], programs: &Programs) -> Result<String> {
    let mut command = Command::new(&programs.scenarios);
    command
        .arg("bench-storm")
        .arg("--forktrace")
        .arg(&programs.forktrace);
    run::capture(command.args(arguments))
}

/// The numbers of one line `STORM`.
struct Measured(Vec<u64>);

impl Measured {
    fn read(output: &str) -> Result<Self> {
        let line = output.lines().find(|line| line.starts_with("STORM\t"));
        let line = line.with_context(|| format!("no line of numbers in:\n{output}"))?;
        let numbers = line.split('\t').skip(3).map(|n| n.trim().parse::<u64>());
        let numbers = numbers.collect::<Result<Vec<u64>, _>>()?;
        if numbers.len() != 11 {
            bail!("{} numbers in {line:?}", numbers.len());
        }
        Ok(Self(numbers))
    }

    fn row(&self, keys: &str, style: &str, bare: &mut Option<u64>) -> String {
        let [
            refused,
            each,
            took,
            cpu,
            before,
            most,
            after,
            counted,
            lost,
            skipped,
            reported,
        ] = self.0[..]
        else {
            return String::new();
        };
        let rate = 1_000_000_000 / each.max(1);
        if style == "none" {
            *bare = Some(each);
            return format!("| {keys} | {style} | {refused} | {each} | | {rate} | | | | | | |");
        }
        let ratio = bare.map_or_else(String::new, |bare| {
            format!("{:.3}", each as f64 / bare as f64)
        });
        let share = 100.0 * cpu as f64 / took.max(1) as f64;
        format!(
            "| {keys} | {style} | {refused} | {each} | {ratio} | {rate} | {share:.2} % | {before}, {most}, {after} | {counted} | {lost} | {skipped} | {reported} |"
        )
    }
}
