//! One file a command.

mod check;
mod child;
mod completions;
mod convert;
mod digest;
mod event_loop;
mod explain;
mod live;
mod man;
mod monitor;
mod print;
mod probes;
mod record;
mod recordings;
mod replay;
mod report;
mod schema;
mod selftest;
mod setup;
mod terminal;
mod top;
mod trace;
mod wait;
mod zone;

use crate::{
    cli::{Cli, Command},
    exit::Exit,
};

/// What the shell's script sets when it asks.
pub(crate) const COMPLETE: &str = "FORKTRACE_COMPLETE";

/// Runs what the command line asks for.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    if let Some(utc) = cli.utc() {
        zone::choose(utc);
    }
    match cli.command {
        None => live::run(&cli.live),
        Some(Command::Live(args)) => live::run(&args),
        Some(Command::Record(args)) => record::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Convert(args)) => convert::run(&args),
        Some(Command::Probes(args)) => probes::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Top(args)) => top::run(&args),
        Some(Command::Selftest(args)) => selftest::run(&args),
        Some(Command::Schema(args)) => schema::run(&args),
        Some(Command::Completions { shell }) => completions::run(shell),
        Some(Command::Man(args)) => man::run(&args),
    }
}
