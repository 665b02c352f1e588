//! Random worlds beside the oracle, as a part of the tests: a fixed seed and a fixed number of refusals.

use super::Tally;
use crate::guest::Programs;
use crate::kernel::Kernel;
use crate::torture::{self, Plan};
use anyhow::{Result, bail};

/// Which worlds there are, and in which order; timing differs all the same.
const SEED: u64 = 41;
/// On each kernel in each style.
const FEW: u64 = 150;
/// Of a full run, in all.
const MANY: u64 = 20_000;
/// Whose verdicts are `observed`. In the style `tracepoint` limits that are changed to and fro can't be
/// seen, so that it doesn't keep to the bar in that world: `cargo xtask torture --style tracepoint`.
const STYLES: [&str; 2] = ["fexit", "kprobe"];

/// Plays them, on the kernels of the matrix that don't differ by their preemption alone.
pub fn run(programs: &Programs, kernels: &[Kernel], full: bool, tally: &mut Tally) {
    let kernels: Vec<Kernel> = kernels
        .iter()
        .filter(|kernel| !kernel.name.ends_with("-rt"))
        .cloned()
        .collect();
    let corners = (kernels.len() * STYLES.len()).max(1) as u64;
    let refusals = if full { MANY.div_ceil(corners) } else { FEW };
    let plan = Plan {
        seed: SEED,
        minutes: if full { 30 } else { 3 },
        refusals,
        only: Vec::new(),
        phase: None,
        append: String::new(),
    };
    let name = format!(
        "torture: {refusals} refusals on each kernel in each of {}",
        STYLES.join(", ")
    );
    tally.step(&name, &kept(programs, &kernels, &plan));
}

fn kept(programs: &Programs, kernels: &[Kernel], plan: &Plan) -> Result<()> {
    let styles = STYLES.map(str::to_owned);
    if !torture::run(programs, kernels, &styles, plan)? {
        bail!("a verdict differs from what the kernel did: see the lines WRONG, MISSED and EXTRA");
    }
    Ok(())
}
