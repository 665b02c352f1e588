//! The forktrace command.

mod cli;
mod command;

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;

use forktrace::exit;

use crate::cli::{Cli, mistakes};

fn main() -> std::process::ExitCode {
    // Ends here where a shell asks for completions.
    CompleteEnv::with_factory(Cli::command)
        .var(command::COMPLETE)
        .complete();
    let line: Vec<_> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&line) {
        Ok(cli) => cli,
        // With status 2 on wrong usage.
        Err(error) => mistakes::with_hints(error, &line).exit(),
    };
    exit::end(command::run(cli))
}
