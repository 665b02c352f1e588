//! `cargo xtask bench overhead`: what forktrace costs, counted in instructions, so that the numbers
//! are the same on every machine and in every run. How fast recordings are read is
//! [`crate::bench_report`].

use crate::arch::Arch;
use crate::guest::{self, Measure, Programs};
use crate::kernel;
use crate::{bench_explain, bench_holders, bench_latency, bench_peers, bench_report, bench_storm};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// `none` first: it is what the others are compared with.
const STYLES: [&str; 4] = ["none", "fexit", "kprobe", "tracepoint"];
const LIMIT: Duration = Duration::from_secs(600);

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// What the attached probes cost on common operations, by attach style
    Overhead {
        /// The machine that is measured
        #[arg(long, value_enum, default_value_t = Arch::HERE)]
        arch: Arch,
        /// The kernels to measure on
        #[arg(long, default_values_t = ["6.1".to_owned()])]
        kernel: Vec<String>,
        /// Only these styles, beside `none`
        #[arg(long, value_parser = STYLES)]
        style: Vec<String>,
        /// Give forktrace this argument, e.g. --option=--seccomp (may be given several times)
        #[arg(long, allow_hyphen_values = true)]
        option: Vec<String>,
    },
    /// How long it takes to count who fills a limit, among many tasks on this host, beside ps
    Holders(bench_holders::Args),
    /// What a storm of refused forks costs with and without forktrace, and whether all is counted
    Storm(bench_storm::Args),
    /// How long after a refused fork has returned its line can be read
    Latency(bench_latency::Args),
    /// What other tools cost on the same operations, and what they say
    Peers(bench_peers::Args),
    /// How fast `explain` reads a log, beside grep with the same patterns
    Explain(bench_explain::Args),
    /// How fast `report` reads a recording, beside jq and DuckDB where they are installed
    Report(bench_report::Args),
}

/// Instructions by operation (in the order of the first run) and style.
#[derive(Default)]
pub(crate) struct Table {
    operations: Vec<String>,
    counts: BTreeMap<(String, String), i64>,
}

/// Runs `cargo xtask bench`.
pub(crate) fn main(args: &Args) -> Result<()> {
    match &args.what {
        What::Overhead {
            arch,
            kernel,
            style,
            option,
        } => overhead(*arch, kernel, style, option),
        What::Holders(args) => bench_holders::main(args),
        What::Storm(args) => bench_storm::main(args),
        What::Latency(args) => bench_latency::main(args),
        What::Peers(args) => bench_peers::main(args),
        What::Explain(args) => bench_explain::main(args),
        What::Report(args) => bench_report::main(args),
    }
}

fn overhead(arch: Arch, kernel: &[String], style: &[String], option: &[String]) -> Result<()> {
    // Before the boots, which run side by side.
    guest::qemu(arch)?;
    guest::busybox(arch)?;
    let kernels = kernel::get(arch, kernel)?;
    let programs = Programs::get(arch, None, None)?;
    let wanted =
        |name: &&str| *name == "none" || style.is_empty() || style.iter().any(|s| s == name);
    let styles: Vec<&str> = STYLES.into_iter().filter(wanted).collect();
    for kernel in &kernels {
        let table = measure(kernel, &styles, option, &programs)?;
        println!(
            "### Linux {} ({}) on {}\n\n{}",
            kernel.name,
            kernel.version,
            arch.facts().name,
            table.markdown(&styles)
        );
    }
    Ok(())
}

/// One boot for each style: what one leaves behind must not count for the next.
fn measure(
    kernel: &kernel::Kernel,
    styles: &[&str],
    options: &[String],
    programs: &Programs,
) -> Result<Table> {
    let outputs: Vec<Result<String>> = thread::scope(|scope| {
        let boots: Vec<_> = styles
            .iter()
            .map(|style| scope.spawn(move || boot(&kernel.image, style, options, programs)))
            .collect();
        let joined = boots.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .map(|output| output.unwrap_or_else(|_| bail!("a measuring thread panicked")))
            .collect()
    });
    let mut table = Table::default();
    for (style, output) in styles.iter().zip(outputs) {
        match output {
            Ok(output) => table.read(&output),
            // A kernel without a style is no reason to hide the others.
            Err(error) if *style != "none" => eprintln!("xtask: {style}: {error:#}"),
            Err(error) => return Err(error.context("measuring without forktrace")),
        }
    }
    Ok(table)
}

fn boot(kernel: &Path, style: &str, options: &[String], programs: &Programs) -> Result<String> {
    let words = ["bench", "--forktrace", "/bin/forktrace", "--style", style];
    let options = options.iter().map(|option| format!("--option={option}"));
    let machine = Measure {
        kernel,
        programs,
        files: &[],
        mem: 512,
        icount: true,
        limit: LIMIT,
    };
    machine.run(words.map(str::to_owned).into_iter().chain(options))
}

impl Table {
    /// Takes lines `BENCH <style> <operation> <instructions>`, separated by tabs.
    pub(crate) fn read(&mut self, output: &str) {
        for line in output.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            let ["BENCH", style, operation, count] = columns[..] else {
                continue;
            };
            let Ok(count) = count.trim().parse::<f64>() else {
                continue;
            };
            if !self.operations.iter().any(|known| known == operation) {
                self.operations.push(operation.to_owned());
            }
            #[expect(clippy::cast_possible_truncation, reason = "counts are far below 2^53")]
            self.counts.insert(
                (operation.to_owned(), style.to_owned()),
                count.round() as i64,
            );
        }
    }

    /// One column a style; what the others add to the first.
    pub(crate) fn markdown(&self, styles: &[&str]) -> String {
        let mut text = format!("| operation | {} |\n|---|", styles.join(" | "));
        text.push_str(&format!("{}\n", "---:|".repeat(styles.len())));
        let Some(base) = styles.first() else {
            return String::new();
        };
        // A start, for one, has nothing to be compared with.
        for operation in &self.operations {
            let cells = styles.iter().map(|style| self.cell(operation, style, base));
            text.push_str(&format!(
                "| {operation} | {} |\n",
                cells.collect::<Vec<_>>().join(" | ")
            ));
        }
        text
    }

    fn count(&self, operation: &str, style: &str) -> Option<i64> {
        let cell = (operation.to_owned(), style.to_owned());
        self.counts.get(&cell).copied()
    }

    fn cell(&self, operation: &str, style: &str, base: &str) -> String {
        match (self.count(operation, style), self.count(operation, base)) {
            (None, _) => "–".to_owned(),
            (Some(own), Some(base_count)) if style != base => format!("{:+}", own - base_count),
            (Some(own), _) => own.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn shows_differences_to_none() {
        let mut table = Table::default();
        table.read("BENCH\tnone\tgetppid\t340\nBENCH\tnone\tfork\t76000\n");
        table.read("BENCH\tfexit\tstart\t1180000000\n");
        table.read("noise\nBENCH\ttracepoint\tgetppid\t430.2\nBENCH\tfexit\tgetppid\t340\n");
        let text = table.markdown(&["none", "fexit", "tracepoint"]);
        assert!(text.contains("| getppid | 340 | +0 | +90 |"), "{text}");
        assert!(text.contains("| fork | 76000 | – | – |"), "{text}");
        assert!(text.contains("| start | – | 1180000000 | – |"), "{text}");
    }
}
