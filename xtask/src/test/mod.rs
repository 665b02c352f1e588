//! `cargo xtask test`: everything that must hold, on this machine and on the test kernels.

use crate::fuzz;
use crate::guest::{self, Programs};
use crate::kernel::{self, Kernel};
use crate::paths;
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

mod checks;
mod docs;
mod drift;
mod machines;
mod matrix;
mod native;
mod service;
mod tally;
mod torture;
mod units;

use matrix::Matrix;
pub use tally::Tally;

/// Arguments of `cargo xtask test`; without a choice everything runs.
#[derive(clap::Args)]
pub struct Args {
    /// The object's check, formatting, lints and unit tests
    #[arg(long)]
    unit: bool,
    /// The documented examples, with the tools that they name
    #[arg(long)]
    docs: bool,
    /// A fixed number of inputs for each fuzz target
    #[arg(long)]
    fuzz: bool,
    /// The test kernels' structs and functions against what forktrace expects of their versions
    #[arg(long)]
    drift: bool,
    /// The scenarios on this machine's own kernel (as root)
    #[arg(long)]
    native: bool,
    /// The scenarios on the test kernels, with cgroup v2 and v1
    #[arg(long)]
    vm: bool,
    /// Random worlds on the test kernels, beside an oracle
    #[arg(long)]
    torture: bool,
    /// Everything, with 20,000 refusals in random worlds
    #[arg(long)]
    full: bool,
    /// Only these test kernels
    #[arg(long, value_name = "KERNEL", default_values_t = ["all".to_owned()])]
    kernel: Vec<String>,
    /// Test machines at a time
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// More arguments for the scenario runner, native and in the test machines
    #[arg(last = true)]
    scenarios: Vec<String>,
}

/// Runs the tests; fails when any of them does.
pub fn main(args: &Args) -> Result<ExitCode> {
    let some = args.unit || args.docs || args.fuzz || args.drift || args.native || args.vm;
    let all = args.full || !(some || args.torture);
    let mut tally = Tally::default();
    let mut matrix = Matrix::default();
    let (native, vm) = (all || args.native, all || args.vm);
    let (drift, torture) = (all || args.drift, all || args.torture);
    if vm || torture {
        guest::qemu()?;
        guest::busybox()?;
    }
    // The download runs beside the builds.
    let names = args.kernel.clone();
    let kernels = (drift || vm || torture)
        .then(|| thread::spawn(move || timed("kernels", || kernel::get(&names))));
    if all || args.unit {
        timed("checks", || checks::run(&mut tally))?;
        timed("unit tests", || units::run(&mut tally))?;
    }
    if all || args.docs {
        timed("documented examples", || docs::run(&mut tally))?;
    }
    if all || args.fuzz {
        let counts = fuzz::TARGETS.map(|t| format!("{} for {}", t.runs_in_tests, t.name));
        let name = format!("fuzz: inputs: {}", counts.join(", "));
        tally.step(&name, &timed("fuzz targets", fuzz::test));
    }
    // Before the download is waited for: it goes on meanwhile.
    let programs = (native || vm || torture)
        .then(|| timed("static programs", || Programs::get(None, None)))
        .transpose()?;
    if native && let Some(programs) = &programs {
        timed("systemd unit", || service::run(&mut tally))?;
        timed("native", || {
            native::run(programs, &args.scenarios, &mut tally, &mut matrix)
        })?;
    }
    if let Some(kernels) = kernels {
        let kernels = joined(kernels)?;
        if drift {
            timed("drift", || drift::run(&kernels, &mut tally))?;
        }
        if vm && let Some(programs) = &programs {
            timed("test machines", || {
                machines::run(programs, &kernels, args, &mut tally, &mut matrix)
            })?;
        }
        if torture && let Some(programs) = &programs {
            timed("torture", || {
                torture::run(programs, &kernels, args.full, &mut tally);
            });
        }
    }
    if !matrix.is_empty() {
        let text = matrix.markdown();
        let path = paths::work_dir("")?.join("matrix.md");
        fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
        println!("\n{text}");
    }
    tally.print_failures();
    println!("{tally}");
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn joined(kernels: thread::JoinHandle<Result<Vec<Kernel>>>) -> Result<Vec<Kernel>> {
    kernels
        .join()
        .map_err(|_| anyhow!("the kernels' download panicked"))?
}

/// Runs a part and says on stderr how long it took.
fn timed<T>(what: &str, part: impl FnOnce() -> T) -> T {
    eprintln!("xtask: {what} …");
    let start = Instant::now();
    let result = part();
    eprintln!("xtask: {what} took {:.0} s", start.elapsed().as_secs_f64());
    result
}
