//! Records on standard output, as `live` and `replay` print them.

use std::io::{self, Write as _};

use forktrace::{
    record::Record,
    view::{Format, Look, Output, Verbosity},
};

use super::{digest::Digest, terminal};
use crate::cli::PrintArgs;

/// Where records come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Live,
    Recording,
    /// Of which its reader has left some out.
    RecordingChosen,
}

/// Prints records, one after the other.
pub struct Printer {
    format: &'static Format<Record>,
    output: Box<dyn Output<Record>>,
    /// Only where somebody can see them.
    digest: Option<Digest>,
    look: Look,
}

impl Printer {
    pub fn new(args: &PrintArgs, verbose: bool, of: Of) -> Self {
        let look = Look {
            verbosity: match (args.quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            },
            chosen: of == Of::RecordingChosen,
            recorded: of != Of::Live,
            ..terminal::look(args.color)
        };
        Self {
            format: args.format,
            output: args.format.open(Box::new(io::stdout()), look),
            digest: args.format.for_people.then(Digest::default),
            look,
        }
    }

    /// Every line is flushed, for it may be waited for.
    pub fn show(&mut self, record: &Record) -> anyhow::Result<()> {
        if let Some(digest) = &mut self.digest {
            digest.add(record);
        }
        self.output.show(record)?;
        // A single failure has just been shown in full.
        let failures = self.digest.as_ref().map_or(0, Digest::failures);
        let ends = matches!(record, Record::Summary(_)) && failures > 1;
        if ends && self.format.for_people && self.look.verbosity > Verbosity::Quiet {
            self.sum_up()?;
        }
        Ok(())
    }

    /// Digest what is shown up in any format.
    pub fn with_digest(mut self) -> Self {
        self.digest.get_or_insert_default();
        self
    }

    /// What has been shown so far, in sum; on standard error where standard output has lines for
    /// programs.
    pub fn sum_up(&mut self) -> anyhow::Result<()> {
        let Some(digest) = &self.digest else {
            return Ok(());
        };
        if !self.format.for_people {
            digest.print_aside();
            return Ok(());
        }
        self.output.settle()?;
        let mut out = io::stdout().lock();
        out.write_all(digest.text(self.look).as_bytes())?;
        out.flush()?;
        Ok(())
    }

    /// At the end: prints what was held back.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        Ok(self.output.settle()?)
    }
}
