//! The scenarios on another machine's test kernels, emulated: no part of a run that names no machine.

use super::machines::{self, Beside, Machine};
use super::{Args, Matrix, Shared, Tally, Tier, Times};
use crate::arch::Arch;
use crate::guest::{self, Programs};
use crate::kernel::{self, Kernel};
use anyhow::Result;
use std::sync::Mutex;

/// A short run plays, in each style that a kernel allows, what provokes every cause; a full one all
/// scenarios.
pub(super) fn run(
    arch: Arch,
    args: &Args,
    times: &Times,
    tally: &mut Tally,
    matrix: &mut Matrix,
) -> Result<()> {
    guest::qemu(arch)?;
    guest::busybox(arch)?;
    let kernels = times.part("kernels", || kernel::get(arch, &args.kernel))?;
    let programs = times.part("programs", || match args.tier() {
        Tier::Short => Programs::short_elsewhere(arch),
        Tier::Full => Programs::get(arch, None, None),
    })?;
    let shared = Shared {
        results: Mutex::new((tally, matrix)),
        times,
    };
    let machines = of(arch, args, &kernels, &shared)?;
    times.part("test machines", || {
        machines::run(
            Some(&programs),
            &machines,
            args,
            &shared,
            &Beside::default(),
        )
    })
}

fn of(arch: Arch, args: &Args, kernels: &[Kernel], shared: &Shared<'_>) -> Result<Vec<Machine>> {
    if !args.corner.is_empty() {
        let corners = super::corners::named(kernels, &args.corner)?;
        return Ok(machines::of_corners(corners, None));
    }
    // Arguments given by hand choose among all scenarios.
    let mut all = match args.tier() {
        Tier::Short if args.scenarios.is_empty() => machines::short(kernels, Vec::new()),
        _ => machines::full(kernels),
    };
    let style = |machine: &Machine| {
        let name = machine.part.name;
        name.strip_suffix("-brief").unwrap_or(name)
    };
    all.retain(|machine| ["fexit", "kprobe", "tracepoint"].contains(&style(machine)));
    for kernel in arch.facts().without_fexit {
        let has = |machine: &Machine| machine.kernel.name == *kernel && style(machine) == "fexit";
        if all.iter().any(has) {
            let why = "the kernel lets no program attach to a function";
            shared.skip(&format!("{kernel} fexit on {}", arch.facts().name), why);
        }
        all.retain(|machine| !has(machine));
    }
    Ok(all)
}
