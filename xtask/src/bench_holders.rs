//! `cargo xtask bench holders`: how long forktrace takes to count who fills a
//! limit, among many tasks on this host, beside ps.

use crate::guest::Programs;
use crate::run;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;

/// Arguments of `cargo xtask bench holders`.
#[derive(clap::Args)]
pub struct Args {
    /// Tasks to make; fewer where this host has no room for them
    #[arg(long, default_value_t = 30_000)]
    tasks: u64,
    /// Use this scenarios program instead of building one
    #[arg(long, value_name = "FILE")]
    scenarios: Option<PathBuf>,
}

/// Runs it, as root.
pub fn main(args: &Args) -> Result<()> {
    let program = match &args.scenarios {
        Some(program) => program.clone(),
        None => Programs::get(None, None)?.scenarios,
    };
    let tasks = args.tasks.to_string();
    run::loud(Command::new(program).args(["bench-holders", "--tasks", &tasks]))
}
