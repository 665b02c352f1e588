//! forktrace's builder: the BPF objects, the test kernels, the tests, the benchmarks.
//!
//! Everything it makes or fetches stays under `target/xtask`; the only change it makes to the
//! machine is `apt-get install` of what CONTRIBUTING.md lists.

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

mod apt;
mod arch;
mod bench;
mod bench_explain;
mod bench_holders;
mod bench_latency;
mod bench_peers;
mod bench_report;
mod bench_storm;
mod cargo_tool;
mod cluster;
mod debootstrap;
mod dist;
mod docs;
mod errno_texts;
mod fuzz;
mod guest;
mod json_tools;
mod kernel;
mod linter;
mod local;
mod measured;
mod monitoring;
mod object;
mod page;
mod paths;
mod programs;
mod python;
mod run;
mod soak;
mod test;
mod torture;
mod vm;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "forktrace's builder and test driver")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the BPF objects that the forktrace crate embeds, or check the committed ones
    Ebpf(object::Args),
    /// Boot a test kernel and run one command (or a shell) in it
    Vm(vm::Args),
    /// Run the tests: object, lints, unit tests, this kernel, the test kernels; every one with --full
    Test(test::Args),
    /// Measure what forktrace costs, and how fast it reads
    Bench(bench::Args),
    /// Storms and quiet in turn, for as long as is wanted
    Soak(soak::Args),
    /// Random worlds that refuse tasks, each verdict compared with an oracle's
    Torture(torture::Args),
    /// Give made-up inputs to what reads recordings
    Fuzz(fuzz::Args),
    /// Write what forktrace prints now into the documents' examples and pictures
    Docs(docs::Args),
    /// Make what a release publishes: archives, packages, the image, the documents, sums
    Dist(dist::Args),
    /// Run Prometheus and its kin on what forktrace counts (a part of the whole test)
    Monitoring(local::Args),
    /// Run the DaemonSet on a node of a real cluster, and have a pod refused (builds Kubernetes once)
    Cluster(local::Args),
    /// Ask engines for many machines the questions of docs/fleet.md (ClickHouse, Spark; downloads 1 GB)
    Engines(local::Args),
    /// Run the catalogue's programs under limits, and compare what they say and do
    Programs(programs::Args),
    /// Try the report's page in a browser: console, keys, widths, how long it takes to open
    Page(page::Args),
    /// Take the texts of errnos in all languages from glibc's catalogues
    ErrnoTexts,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Ebpf(args) => object::main(&args).map(|()| ExitCode::SUCCESS),
        Task::Vm(args) => vm::main(&args),
        Task::Test(args) => test::main(&args),
        Task::Soak(args) => soak::main(&args).map(|()| ExitCode::SUCCESS),
        Task::Torture(args) => torture::main(&args),
        Task::Fuzz(args) => fuzz::main(&args),
        Task::Docs(args) => docs::main(&args).map(|()| ExitCode::SUCCESS),
        Task::Dist(args) => dist::main(&args),
        Task::Monitoring(args) => monitoring::main(&args),
        Task::Cluster(args) => cluster::main(&args),
        Task::Engines(args) => test::engines(&args),
        Task::Programs(args) => programs::main(&args),
        Task::Page(args) => page::main(&args).map(|()| ExitCode::SUCCESS),
        Task::ErrnoTexts => errno_texts::main().map(|()| ExitCode::SUCCESS),
        Task::Bench(args) => bench::main(&args).map(|()| ExitCode::SUCCESS),
    };
    finish(done)
}

fn finish(done: Result<ExitCode>) -> ExitCode {
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
