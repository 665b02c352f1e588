//! Forks that SIGKILL cuts short: named, where everything was asked for.

use anyhow::Result;

use super::own;
use crate::scenario::{Place, Run, Scenario, negative};

pub(super) const SCENARIOS: &[Scenario] = &[own("killed", killed)];

fn killed(place: &Place) -> Result<Run> {
    let mut run = negative::killed(place)?;
    run.dying = std::mem::take(&mut run.quiet);
    Ok(run)
}
