//! Records on standard output, as `live` and `replay` print them.

use std::io::{self, Stdout, Write as _};

use forktrace::{
    record::{Record, write_line},
    view::{Screen, Verbosity},
};

use super::{sums::Sums, terminal};
use crate::cli::{Format, PrintArgs};

/// Prints records, one after the other.
pub struct Printer {
    format: Format,
    quiet: bool,
    screen: Screen<Stdout>,
    /// Only where somebody can see them.
    sums: Option<Sums>,
    colours: bool,
    width: usize,
    line: Vec<u8>,
}

impl Printer {
    pub fn new(args: &PrintArgs, verbose: bool) -> Self {
        let verbosity = match (args.quiet, verbose) {
            (true, _) => Verbosity::Quiet,
            (_, true) => Verbosity::Verbose,
            _ => Verbosity::Normal,
        };
        let (colours, width) = (terminal::colours(args.color), terminal::width());
        Self {
            format: args.format,
            quiet: args.quiet,
            screen: Screen::new(io::stdout(), colours, verbosity, width),
            sums: (args.format == Format::Text).then(Sums::default),
            colours,
            width,
            line: Vec::new(),
        }
    }

    /// Every line is flushed, for it may be waited for.
    pub fn show(&mut self, record: &Record) -> anyhow::Result<()> {
        if let Some(sums) = &mut self.sums {
            sums.add(record);
        }
        match self.format {
            Format::Text => {
                self.screen.show(record)?;
                // A single failure has just been told in full.
                let failures = self.sums.as_ref().map_or(0, Sums::failures);
                if matches!(record, Record::Summary(_)) && !self.quiet && failures > 1 {
                    self.sum_up()?;
                }
            }
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

    /// Sums what is shown up in any format.
    pub fn with_sums(mut self) -> Self {
        self.sums.get_or_insert_default();
        self
    }

    /// What has been shown so far, in sum; on standard error where standard output has lines for
    /// programs.
    pub fn sum_up(&mut self) -> anyhow::Result<()> {
        let Some(sums) = &self.sums else {
            return Ok(());
        };
        match self.format {
            Format::Text => {
                self.screen.settle()?;
                let mut out = io::stdout().lock();
                out.write_all(sums.digest(self.colours, self.width).as_bytes())?;
                out.flush()?;
            }
            Format::Json => sums.tell(),
        }
        Ok(())
    }

    /// At the end: prints what was held back.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        Ok(self.screen.settle()?)
    }
}
