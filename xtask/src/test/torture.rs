//! Random worlds beside the oracle, as a part of the tests: a fixed seed and a fixed number of refusals.

use super::{Tally, Tier, Times, times};
use crate::guest::Programs;
use crate::kernel::Kernel;
use crate::torture::{self, Plan, Played};
use anyhow::{Result, bail};

/// Which worlds there are, and in which order; timing differs all the same.
const SEED: u64 = 41;
/// In each corner of a short run.
const FEW: u64 = 150;
/// Corners of a short run.
const CORNERS: usize = 2;
/// Refusals of a full run, in all.
const MANY: u64 = 20_000;
/// Styles whose verdicts are `observed`. In the style `tracepoint` limits that are changed to and fro can't be
/// seen, so that it doesn't keep to the bar in that world: `cargo xtask torture --style tracepoint`.
const STYLES: [&str; 2] = ["fexit", "kprobe"];

/// Plays random worlds, on the kernels of the matrix that don't differ by their preemption alone.
pub(super) fn run(
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
    let (refusals, minutes, corners) = match tier {
        Tier::Full => (MANY.div_ceil(all.len().max(1) as u64), 30, all),
        Tier::Short => {
            // Others each day.
            let from = day as usize * CORNERS;
            let turn = all.iter().cycle().skip(from % all.len().max(1));
            (FEW, 3, turn.take(CORNERS.min(all.len())).cloned().collect())
        }
    };
    let plan = Plan {
        seed: SEED,
        minutes,
        refusals,
        only: Vec::new(),
        phase: None,
        append: String::new(),
    };
    let names: Vec<String> = corners
        .iter()
        .map(|(kernel, style)| format!("{} {style}", kernel.name))
        .collect();
    let name = format!("torture: {refusals} refusals on {}", names.join(", "));
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
            of_a_style: false,
        };
        times.machine(machine, "");
    };
    if !torture::run(programs, corners, plan, &played)? {
        bail!("a verdict differs from what the kernel did: see the lines WRONG, MISSED and EXTRA");
    }
    Ok(())
}
