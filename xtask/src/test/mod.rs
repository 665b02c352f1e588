//! `cargo xtask test`: what a change has to show, on this machine and on the test kernels, in
//! minutes; with `--full` everything.

use crate::fuzz;
use crate::guest::{self, Programs};
use crate::kernel::{self, Kernel};
use crate::{object, paths};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

mod args;
mod checks;
mod corners;
mod docs;
mod drift;
mod last_full;
mod machines;
mod matrix;
mod native;
mod parts;
mod service;
mod setup;
mod spelling;
mod tally;
mod tier;
mod times;
mod torture;
mod touched;
mod units;

pub use args::Args;
use args::Wanted;
use machines::{Budget, Shared};
use matrix::Matrix;
pub use tally::Tally;
use tier::Tier;
use times::Times;

/// Runs the tests; fails when any of them does.
pub fn main(args: &Args) -> Result<ExitCode> {
    let times = Times::new();
    let mut tally = Tally::default();
    let mut matrix = Matrix::default();
    run(args, &times, &mut tally, &mut matrix)?;
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
    if args.full && args.wanted().all {
        last_full::write(&tally, &times, &causes)?;
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
    let names = args.kernel.clone();
    // Downloads, and what is compiled with one processor for the most part, run beside the builds.
    let (kernels, programs) = thread::scope(|scope| {
        let kernels = (wanted.drift || wanted.vm || wanted.torture)
            .then(|| scope.spawn(|| times.part("kernels", || kernel::get(&names))));
        let object = wanted.unit.then(|| {
            scope.spawn(|| {
                if wanted.all {
                    times.part("packages", setup::packages);
                }
                times.part("bpf object", object::check)
            })
        });
        let programs = builds(tier, wanted, times, tally)?;
        if let Some(object) = object {
            let object = object.join();
            let object = object.unwrap_or_else(|_| Err(anyhow!("the object's check panicked")));
            tally.step("bpf object", &object);
        }
        let kernels = match kernels.map(thread::ScopedJoinHandle::join) {
            Some(Ok(kernels)) => kernels?,
            Some(Err(_)) => return Err(anyhow!("the kernels' download panicked")),
            None => Vec::new(),
        };
        Ok((kernels, programs))
    })?;
    if wanted.native {
        times.part("systemd unit", || service::run(tally))?;
    }
    if wanted.drift {
        times.part("drift", || drift::run(tier, &kernels, tally))?;
    }
    if let Some(programs) = &programs {
        on_kernels(args, programs, &kernels, times, tally, matrix)?;
    }
    Ok(())
}

/// What is compiled, and the tests that need nothing else; gives the programs of the test machines.
fn builds(
    tier: Tier,
    wanted: Wanted,
    times: &Times,
    tally: &mut Tally,
) -> Result<Option<Programs>> {
    let on_kernels = wanted.native || wanted.vm || wanted.torture;
    // A short run's unit tests are built with them.
    let programs = (on_kernels || tier == Tier::Short && wanted.unit)
        .then(|| times.part("programs", || tier.programs()))
        .transpose()?;
    if wanted.unit {
        times.part("unit tests", || units::run(tier, tally))?;
        times.part("formatting and lints", || checks::run(tally))?;
    }
    if wanted.docs {
        times.part("documented examples", || docs::run(tally))?;
    }
    if wanted.fuzz {
        let counts = fuzz::TARGETS.map(|t| format!("{} for {}", t.runs_in_tests, t.name));
        let name = format!("fuzz: inputs: {}", counts.join(", "));
        tally.step(&name, &times.part("fuzz targets", fuzz::test));
    }
    Ok(programs)
}

/// What runs forktrace: on this machine's kernel, and on the test kernels.
fn on_kernels(
    args: &Args,
    programs: &Programs,
    kernels: &[Kernel],
    times: &Times,
    tally: &mut Tally,
    matrix: &mut Matrix,
) -> Result<()> {
    let (tier, wanted) = (args.tier(), args.wanted());
    if wanted.vm || wanted.torture {
        guest::qemu()?;
        guest::busybox()?;
    }
    let budget = Duration::from_secs(60 * args.minutes);
    let mut later = Vec::new();
    let machines = match tier {
        _ if !wanted.vm => Vec::new(),
        Tier::Full => machines::full(kernels),
        // Arguments given by hand choose among all scenarios.
        Tier::Short if !args.scenarios.is_empty() => machines::full(kernels),
        Tier::Short if !args.corner.is_empty() => {
            machines::of_corners(corners::named(kernels, &args.corner)?, None)
        }
        Tier::Short => {
            let of_day = corners::of_day(kernels, args.day());
            let names: Vec<String> = of_day.iter().map(corners::Corner::name).collect();
            println!("xtask: today by all scenarios: {}", names.join(", "));
            match corners::of_change(kernels) {
                Ok((mut of_change, file)) => {
                    of_change.retain(|corner| !names.contains(&corner.name()));
                    let within = Budget {
                        run: budget,
                        because: format!("the change touches {file}"),
                    };
                    later = machines::of_corners(of_change, Some(within));
                }
                Err(error) => tally.skip("corners of the change", &format!("{error:#}")),
            }
            machines::short(kernels, of_day)
        }
    };
    let shared = Shared {
        results: Mutex::new((&mut *tally, matrix)),
        times,
    };
    let native = || {
        times.part("native", || {
            native::run(tier, programs, &args.scenarios, &shared);
        });
    };
    // With a machine beside it, a scenario there waits longer; a full run is as strict as it can be.
    let beside = wanted.native && tier == Tier::Short && !machines.is_empty();
    if wanted.native && !beside {
        native();
    }
    if !machines.is_empty() {
        let beside = beside.then_some(&native as &(dyn Fn() + Sync));
        times.part("test machines", || {
            machines::run(programs, &machines, args, &shared, beside)
        })?;
    }
    if wanted.torture
        && let Ok(mut results) = shared.results.lock()
    {
        let day = args.day();
        times.part("torture", || {
            torture::run(programs, kernels, (tier, day), results.0, times);
        });
    }
    if !later.is_empty() {
        times.part("corners of the change", || {
            machines::run(programs, &later, args, &shared, None)
        })?;
    }
    Ok(())
}
