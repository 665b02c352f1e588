//! One scenario by hand.

use anyhow::{Context, Result};

use crate::scenario::{self, Place, Scenario};

/// Runs the scenario `name` and prints what was refused.
pub(crate) fn run(name: Option<&str>, count: u32) -> Result<bool> {
    let Some(name) = name else {
        for scenario in all() {
            println!("{}", scenario.name);
        }
        return Ok(true);
    };
    let scenario = all()
        .find(|s| s.name == name)
        .with_context(|| format!("no scenario {name:?}"))?;
    let run = (scenario.run)(&Place::find(count)?)?;
    for e in &run.expects {
        println!(
            "pid {} tid {} {} {} {} {}",
            e.pid,
            e.tid,
            e.comm.escape_debug(),
            e.kind.syscall(),
            e.errno.name(),
            crate::report::cause_id(e.cause),
        );
    }
    println!(
        "{} refused, {} callers of which nothing may be recorded",
        run.expects.len(),
        run.quiet.len()
    );
    Ok(true)
}

fn all() -> impl Iterator<Item = Scenario> {
    scenario::all().into_iter().chain(scenario::with_options())
}
