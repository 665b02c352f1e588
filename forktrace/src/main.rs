//! The forktrace command.

mod cli;
mod command;
mod exit;

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;

use crate::{
    cli::{Cli, mistakes},
    exit::Exit,
};

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
    match command::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Done {
                let text = forktrace::view::without_numbers(&format!("{error:#}"));
                eprintln!("forktrace: {text}");
            }
            exit.into()
        }
    }
}
