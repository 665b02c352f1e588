//! `selftest`: provokes each cause and checks that tracing names it.

use std::io::{self, Write as _};

use forktrace::{
    record::write_line,
    selftest::{self, Error, Line, Options},
    view::SelftestTable,
};

use super::terminal;
use crate::{
    cli::{Format, SelftestArgs},
    exit::{Exit, UsageError},
};

pub fn run(args: &SelftestArgs) -> anyhow::Result<Exit> {
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
    let end = match args.format {
        Format::Text => {
            let mut table = SelftestTable::new(
                io::stdout(),
                terminal::colours(args.color),
                terminal::width(),
            );
            selftest::run(&options, |line| table.show(line))
        }
        Format::Json => selftest::run(&options, json),
    };
    match end {
        Ok(end) => Ok(match end.signal {
            // As a shell tells it: neither passed nor failed.
            Some(signal) => Exit::Command(u8::try_from(128 + signal).unwrap_or(1)),
            None if end.is_fine() => Exit::Done,
            None => Exit::Fault,
        }),
        Err(Error::Start(error)) => Err(error.into()),
        Err(Error::Write(error)) => Err(error.into()),
        Err(error) => Err(error.into()),
    }
}

fn json(line: &Line) -> io::Result<()> {
    let mut bytes = Vec::new();
    write_line(&mut bytes, line)?;
    let mut out = io::stdout().lock();
    out.write_all(&bytes)?;
    out.flush()
}
