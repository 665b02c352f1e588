//! The forktrace command.

mod cli;
mod command;
mod exit;

use clap::Parser as _;

use crate::{cli::Cli, exit::Exit};

fn main() -> std::process::ExitCode {
    // clap ends with status 2 and a message on wrong usage.
    let cli = Cli::parse();
    match command::run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let exit = Exit::of(&error);
            if exit != Exit::Done {
                eprintln!("forktrace: {error:#}");
            }
            exit.into()
        }
    }
}
