//! Random worlds beside the oracle, as a part of the tests: a fixed seed and a fixed number of refusals.

use super::{Tally, Tier, Times, times};
use crate::guest::Programs;
use crate::kernel::Kernel;
use crate::torture::{self, Plan, Played};
use anyhow::{Result, bail};

/// Which worlds there are, and in which order; timing differs all the same.
const SEED: u64 = 41;
/// On each kernel in one style, of a short run.
const FEW: u64 = 150;
/// Refusals of a full run, in all.
const MANY: u64 = 20_000;
/// Styles whose verdicts are `observed`. In the style `tracepoint` limits that are changed to and fro can't be
/// seen, so that it doesn't keep to the bar in that world: `cargo xtask torture --style tracepoint`.
const STYLES: [&str; 2] = ["fexit", "kprobe"];

/// Plays random worlds, on the kernels of the matrix that don't differ by their preemption alone.
pub fn run(
    programs: &Programs,
    kernels: &[Kernel],
    (tier, day): (Tier, u64),
    tally: &mut Tally,
    times: &Times,
) {
    let kernels: Vec<Kernel> = kernels
        .iter()
        .filter(|kernel| !kernel.name.ends_with("-rt"))
        .cloned()
        .collect();
    let all: Vec<(Kernel, String)> = kernels
        .iter()
        .flat_map(|kernel| STYLES.map(|style| (kernel.clone(), style.to_owned())))
        .collect();
    let (refusals, minutes, of_each) = match tier {
        Tier::Full => (MANY.div_ceil(all.len().max(1) as u64), 30, STYLES.len()),
        Tier::Short => (FEW, 3, 1),
    };
    // Of a kernel's styles another one each day, and another than its neighbours'.
    let corners: Vec<_> = all
        .chunks(STYLES.len())
        .enumerate()
        .flat_map(|(n, styles)| {
            styles
                .iter()
                .cycle()
                .skip((day as usize + n) % STYLES.len())
                .take(of_each)
        })
        .cloned()
        .collect();
    let plan = Plan {
        seed: SEED,
        minutes,
        refusals,
        only: Vec::new(),
        phase: None,
        append: String::new(),
    };
    let name = format!(
        "torture: {refusals} refusals on each kernel in {of_each} of {}",
        STYLES.join(", ")
    );
    tally.step(&name, &kept(programs, &corners, &plan, times));
}

fn kept(
    programs: &Programs,
    corners: &[(Kernel, String)],
    plan: &Plan,
    times: &Times,
) -> Result<()> {
    let played = |machine: Played<'_>| {
        let name = format!("torture {} {}", machine.kernel, machine.style);
        for why in &machine.ended.retried {
            times.retried(&name, why);
        }
        let machine = times::Machine {
            name,
            boot: machine.ended.boot,
            whole: machine.whole,
        };
        times.machine(machine, "");
    };
    if !torture::run(programs, corners, plan, &played)? {
        bail!("a verdict differs from what the kernel did: see the lines WRONG, MISSED and EXTRA");
    }
    Ok(())
}
