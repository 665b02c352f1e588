//! Records on standard output, as `live` and `replay` print them.

use std::io::{self, Stdout, Write as _};

use forktrace::{
    record::{Record, write_line},
    view::{Screen, Verbosity},
};

use super::terminal;
use crate::cli::{Format, PrintArgs};

/// Prints records, one after the other.
pub struct Printer {
    format: Format,
    quiet: bool,
    screen: Screen<Stdout>,
    line: Vec<u8>,
}

impl Printer {
    pub fn new(args: &PrintArgs, verbose: bool) -> Self {
        let verbosity = match (args.quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        Self {
            format: args.format,
            quiet: args.quiet,
            screen: Screen::new(
                io::stdout(),
                terminal::colours(args.color),
                verbosity,
                terminal::width(),
            ),
            line: Vec::new(),
        }
    }

    /// Every line is flushed, for it may be waited for.
    pub fn show(&mut self, record: &Record) -> anyhow::Result<()> {
        match self.format {
            Format::Text => self.screen.show(record)?,
            Format::Json
                if self.quiet && matches!(record, Record::Session(_) | Record::Summary(_)) => {}
            Format::Json => {
                self.line.clear();
                write_line(&mut self.line, record)?;
                let mut out = io::stdout().lock();
                out.write_all(&self.line)?;
                out.flush()?;
            }
        }
        Ok(())
    }

    /// At the end: prints what was held back.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        Ok(self.screen.settle()?)
    }
}
