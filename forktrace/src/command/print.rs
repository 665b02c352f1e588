//! Records on standard output, as `live` and `replay` print them.

use std::io::{self, Write as _};

use forktrace::{
    record::Record,
    view::{Format, Look, Output, Verbosity},
};

use super::{sums::Sums, terminal};
use crate::cli::PrintArgs;

/// Prints records, one after the other.
pub struct Printer {
    format: &'static Format<Record>,
    output: Box<dyn Output<Record>>,
    /// Only where somebody can see them.
    sums: Option<Sums>,
    look: Look,
}

impl Printer {
    pub fn new(args: &PrintArgs, verbose: bool) -> Self {
        let look = Look {
            verbosity: match (args.quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            },
            ..terminal::look(args.color)
        };
        Self {
            format: args.format,
            output: args.format.open(Box::new(io::stdout()), look),
            sums: args.format.for_people.then(Sums::default),
            look,
        }
    }

    /// Every line is flushed, for it may be waited for.
    pub fn show(&mut self, record: &Record) -> anyhow::Result<()> {
        if let Some(sums) = &mut self.sums {
            sums.add(record);
        }
        self.output.show(record)?;
        // A single failure has just been told in full.
        let failures = self.sums.as_ref().map_or(0, Sums::failures);
        let ends = matches!(record, Record::Summary(_)) && failures > 1;
        if ends && self.format.for_people && self.look.verbosity > Verbosity::Quiet {
            self.sum_up()?;
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
        if !self.format.for_people {
            sums.tell();
            return Ok(());
        }
        self.output.settle()?;
        let mut out = io::stdout().lock();
        out.write_all(sums.digest(self.look).as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// At the end: prints what was held back.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        Ok(self.output.settle()?)
    }
}
