//! One file a command.

mod check;
mod child;
mod digest;
mod explain;
mod live;
mod print;
mod probes;
mod record;
mod recordings;
mod replay;
mod report;
mod selftest;
mod setup;
mod terminal;
mod trace;
mod zone;

use std::io::{self, Write as _};

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Command, SchemaOf},
    exit::Exit,
};

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> anyhow::Result<Exit> {
    if let Some(utc) = cli.utc() {
        zone::choose(utc);
    }
    match cli.command {
        None => live::run(&cli.live),
        Some(Command::Live(args)) => live::run(&args),
        Some(Command::Record(args)) => record::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Probes(args)) => probes::run(&args),
        Some(Command::Explain(args)) => explain::run(&args),
        Some(Command::Check(args)) => check::run(&args),
        Some(Command::Selftest(args)) => selftest::run(&args),
        Some(Command::Schema { of }) => {
            let schema = match of {
                SchemaOf::Records => forktrace::record::json_schema(),
                SchemaOf::Explanations => forktrace::cause::json_schema(),
                SchemaOf::Selftest => forktrace::selftest::json_schema(),
                SchemaOf::Report => forktrace::report::json_schema(),
                SchemaOf::Check => forktrace::headroom::json_schema(),
            };
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &schema).map_err(io::Error::from)?;
            writeln!(out)?;
            Ok(Exit::Done)
        }
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "forktrace", &mut text);
            io::stdout().write_all(&text)?;
            Ok(Exit::Done)
        }
        Some(Command::Man) => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            io::stdout().write_all(&text)?;
            Ok(Exit::Done)
        }
    }
}
