//! `selftest`: provokes each cause and checks that tracing names it.

use std::io;

use forktrace::selftest::{self, Error, Options};

use super::terminal;
use crate::{
    cli::SelftestArgs,
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
    if args.only.iter().any(|cause| cause.is_unknown()) {
        return Err(
            UsageError("--only unknown: that is no cause that can be provoked".to_owned()).into(),
        );
    }
    let options = Options {
        attach: args.attach.style(),
        disruptive: args.disruptive,
        only: args.only.clone(),
    };
    let look = terminal::look(args.color);
    let mut output = args.format.open(Box::new(io::stdout()), look);
    match selftest::run(&options, |line| output.show(line)) {
        Ok(end) => Ok(match end.signal {
            // As a shell reports it: neither passed nor failed.
            Some(signal) => Exit::Command(u8::try_from(128 + signal).unwrap_or(1)),
            None if end.is_fine() => Exit::Done,
            None => Exit::Fault,
        }),
        Err(Error::Start(error)) => Err(error.into()),
        Err(Error::Write(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}
