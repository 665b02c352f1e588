//! `live`: prints each failure with its cause as it happens.

use std::io::{self, Write as _};

use forktrace::{
    record::{Record, write_line},
    view::{Screen, Verbosity},
};

use super::{terminal, trace};
use crate::{
    cli::{Format, LiveArgs},
    exit::Exit,
};

pub fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    trace::run(&args.trace, || {
        Ok(match args.format {
            Format::Json => Box::new(json(args.quiet)),
            Format::Text => Box::new(text(args)),
        })
    })
}

fn json(quiet: bool) -> impl FnMut(&Record) -> anyhow::Result<()> {
    let mut line = Vec::new();
    move |record| {
        if quiet && matches!(record, Record::Session(_) | Record::Summary(_)) {
            return Ok(());
        }
        line.clear();
        write_line(&mut line, record)?;
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()?;
        Ok(())
    }
}

fn text(args: &LiveArgs) -> impl FnMut(&Record) -> anyhow::Result<()> + use<> {
    let colours = terminal::colours(args.color);
    let verbosity = match (args.quiet, args.trace.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let mut screen = Screen::new(io::stdout(), colours, verbosity, terminal::columns());
    move |record| Ok(screen.show(record)?)
}
