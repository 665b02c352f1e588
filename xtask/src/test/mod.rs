//! `cargo xtask test`: what a change has to show, on this machine and on the test kernels, in
//! minutes; with `--full` everything.

use crate::arch::Arch;
use crate::guest::{self, Programs};
use crate::kernel::{self, Kernel};
use crate::{dist, docs, fuzz, monitoring, object, paths};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

mod args;
mod checks;
mod corners;
mod drift;
mod elsewhere;
mod known_programs;
mod last_full;
mod machines;
mod matrix;
mod native;
mod parts;
mod readers;
mod service;
mod setup;
mod shared;
mod spelling;
mod tally;
mod tier;
mod times;
mod torture;
mod touched;
mod units;

pub(crate) use args::Args;
use args::Wanted;
use machines::{Beside, Budget, Machine};
use matrix::Matrix;
pub(crate) use readers::engines;
use shared::Shared;
pub(crate) use tally::Tally;
use tier::Tier;
use times::Times;

/// Runs the tests; fails when any of them does.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let times = Times::new();
    let mut tally = Tally::default();
    let mut matrix = Matrix::default();
    match args.arch {
        arch if arch.is_here() => run(args, &times, &mut tally, &mut matrix)?,
        arch => elsewhere::run(arch, args, &times, &mut tally, &mut matrix)?,
    }
    let causes = if matrix.is_empty() {
        String::new()
    } else {
        matrix.markdown()
    };
    let text = times.markdown();
    for (name, text) in [("matrix.md", &causes), ("times.md", &text)] {
        let path = paths::work_dir("")?.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("\n{text}");
    }
    if args.full && args.wanted().all && args.arch.is_here() {
        last_full::write(&tally, &times, &matrix)?;
    }
    tally.print_failures();
    match times.retries() {
        0 => println!("{tally}"),
        retries => println!("{tally}, {retries} retried because of the emulator"),
    }
    Ok(if tally.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run(args: &Args, times: &Times, tally: &mut Tally, matrix: &mut Matrix) -> Result<()> {
    let (tier, wanted) = (args.tier(), args.wanted());
    let (kernels, programs) = fetched(args, times)?;
    let shared = Shared {
        results: Mutex::new((tally, matrix)),
        times,
    };
    // Compiles for the most part, so that it takes the place of a machine.
    let object = || {
        times.part("bpf object", || {
            shared.step("bpf object", &object(tier));
        });
    };
    let checks = || compiled(tier, wanted, programs.as_ref(), &shared);
    let native = || {
        if let Some(programs) = &programs {
            times.part("native", || {
                native::run(tier, programs, &args.scenarios, &shared);
            });
            // Arguments given by hand choose among the scenarios.
            if args.scenarios.is_empty() {
                times.part("known programs", || known_programs::run(programs, &shared));
            }
        }
    };
    let mut beside = Beside::new();
    if wanted.unit || wanted.docs || wanted.fuzz {
        beside.push(&checks);
    }
    if wanted.unit {
        beside.push(&object);
    }
    // With machines beside it, a scenario there waits longer; a full run is as strict as it can be.
    match tier {
        Tier::Full if wanted.native => native(),
        Tier::Short if wanted.native => beside.push(&native),
        _ => {}
    }
    on_kernels(args, programs.as_ref(), &kernels, &shared, &beside)?;
    if let Some(programs) = programs.as_ref().filter(|_| wanted.monitoring) {
        let mut tally = Tally::default();
        let result = times.part("monitoring", || {
            monitoring::run(&programs.forktrace, &mut tally)
        });
        shared.add(tally);
        if result.is_err() {
            shared.step("monitoring", &result);
        }
    }
    if wanted.dist {
        let mut tally = Tally::default();
        let result = times.part("what is published", || dist::trial::run(&mut tally));
        shared.add(tally);
        if result.is_err() {
            shared.step("dist", &result);
        }
    }
    Ok(())
}

/// What is downloaded, and beside it what is compiled for the test machines: their programs.
fn fetched(args: &Args, times: &Times) -> Result<(Vec<Kernel>, Option<Programs>)> {
    let (tier, wanted) = (args.tier(), args.wanted());
    let names = args.kernel.clone();
    thread::scope(|scope| {
        let kernels = (wanted.drift || wanted.vm || wanted.torture)
            .then(|| scope.spawn(|| times.part("kernels", || kernel::get(Arch::HERE, &names))));
        let packages = wanted
            .all
            .then(|| scope.spawn(|| times.part("packages", setup::packages)));
        let on_kernels = wanted.native || wanted.vm || wanted.torture || wanted.monitoring;
        // A short run's unit tests are built with them.
        let programs = (on_kernels || wanted.docs || tier == Tier::Short && wanted.unit)
            .then(|| times.part("programs", || tier.programs()))
            .transpose()?;
        if packages.is_some_and(|packages| packages.join().is_err()) {
            return Err(anyhow!("the installation of packages panicked"));
        }
        let kernels = match kernels.map(thread::ScopedJoinHandle::join) {
            Some(Ok(kernels)) => kernels?,
            Some(Err(_)) => return Err(anyhow!("the kernels' download panicked")),
            None => Vec::new(),
        };
        Ok((kernels, programs))
    })
}

/// The BPF objects. A short run rebuilds them where the change touches what they are made of.
fn object(tier: Tier) -> Result<()> {
    match touched::files() {
        Ok(files) if tier == Tier::Short && !files.iter().any(|file| object::is_of_it(file)) => {
            println!("ebpf: not rebuilt, because the change touches nothing that they are made of");
            object::recorded().map(drop)
        }
        _ => object::check(),
    }
}

/// The tests that need no kernel, and lints.
fn compiled(tier: Tier, wanted: Wanted, programs: Option<&Programs>, shared: &Shared<'_>) {
    // Not the shared one: machines that end meanwhile would wait for it.
    let (mut tally, times) = (Tally::default(), shared.times);
    let result = (|| {
        if wanted.unit {
            times.part("unit tests", || units::run(tier, &mut tally))?;
            times.part("formatting and lints", || checks::run(tier, &mut tally))?;
        }
        if let Some(programs) = programs.filter(|_| wanted.docs) {
            times.part("documented examples", || {
                docs::check(&programs.forktrace, &mut tally)
            })?;
            times.part("readers of recordings", || {
                readers::run(tier, &programs.forktrace, &mut tally)
            })?;
        }
        if wanted.fuzz {
            let counts = fuzz::TARGETS.map(|t| format!("{} for {}", t.runs_in_tests, t.name));
            let name = format!("fuzz: inputs: {}", counts.join(", "));
            tally.step(&name, &times.part("fuzz targets", fuzz::test));
        }
        Ok(())
    })();
    shared.add(tally);
    if result.is_err() {
        shared.step("tests without a kernel", &result);
    }
}

/// What runs forktrace on the test kernels, and what runs beside it.
fn on_kernels(
    args: &Args,
    programs: Option<&Programs>,
    kernels: &[Kernel],
    shared: &Shared<'_>,
    beside: &Beside<'_>,
) -> Result<()> {
    let (tier, wanted, times) = (args.tier(), args.wanted(), shared.times);
    if wanted.native {
        let result = times.part("systemd unit", service::run)?;
        shared.add(result);
    }
    if wanted.drift {
        let mut tally = Tally::default();
        times.part("drift", || drift::run(tier, kernels, &mut tally))?;
        shared.add(tally);
    }
    if wanted.vm || wanted.torture {
        guest::qemu(Arch::HERE)?;
        guest::busybox(Arch::HERE)?;
    }
    let (machines, later) = machines_of(args, kernels, shared)?;
    times.part("test machines", || {
        machines::run(programs, &machines, args, shared, beside)
    })?;
    let Some(programs) = programs else {
        return Ok(());
    };
    if wanted.torture {
        let mut tally = Tally::default();
        times.part("torture", || {
            torture::run(programs, kernels, (tier, args.day()), &mut tally, times);
        });
        shared.add(tally);
    }
    if !later.is_empty() {
        times.part("corners of the change", || {
            machines::run(Some(programs), &later, args, shared, &Beside::new())
        })?;
    }
    Ok(())
}

/// Machines that are run, and those after them that are only begun while there is time.
fn machines_of(
    args: &Args,
    kernels: &[Kernel],
    shared: &Shared<'_>,
) -> Result<(Vec<Machine>, Vec<Machine>)> {
    let only = match args.tier() {
        _ if !args.wanted().vm => Vec::new(),
        Tier::Full => machines::full(kernels),
        // Arguments given by hand choose among all scenarios.
        Tier::Short if !args.scenarios.is_empty() => machines::full(kernels),
        Tier::Short if !args.corner.is_empty() => {
            machines::of_corners(corners::named(kernels, &args.corner)?, None)
        }
        Tier::Short => return Ok(short(args, kernels, shared)),
    };
    Ok((only, Vec::new()))
}

/// Machines of a short run, and of its change.
fn short(args: &Args, kernels: &[Kernel], shared: &Shared<'_>) -> (Vec<Machine>, Vec<Machine>) {
    let of_day = corners::of_day(kernels, args.day());
    let names: Vec<String> = of_day.iter().map(corners::Corner::name).collect();
    println!("xtask: today by all scenarios: {}", names.join(", "));
    let later = match corners::of_change(kernels) {
        Ok((mut of_change, file)) => {
            of_change.retain(|corner| !names.contains(&corner.name()));
            let within = Budget {
                run: Duration::from_secs(60 * args.minutes),
                because: format!("the change touches {file}"),
            };
            machines::of_corners(of_change, Some(within))
        }
        Err(error) => {
            shared.skip("corners of the change", &format!("{error:#}"));
            Vec::new()
        }
    };
    (machines::short(kernels, of_day), later)
}
