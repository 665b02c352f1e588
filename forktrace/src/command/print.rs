//! Records on standard output, as `live` and `replay` print them.

use std::{
    cell::RefCell,
    io::{self, BufWriter, Stdout, Write},
    rc::Rc,
    time::Instant,
};

use forktrace::{
    record::Record,
    view::{Format, Look, Output, Verbosity},
};

use super::{digest::Digest, terminal};
use crate::cli::PrintArgs;

/// Bytes that are written at once.
const BLOCK: usize = 64 * 1024;

/// How records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coming {
    /// As failures happen: what is printed may be waited for, and time passes.
    Live,
    /// From what may go on: what is printed may be waited for.
    Slowly,
    /// From files that are there as a whole.
    AtOnce,
}

/// Standard output, which is written in blocks.
#[derive(Clone)]
struct Blocks {
    out: Rc<RefCell<BufWriter<Stdout>>>,
    /// Nobody waits for a part of it.
    whole: bool,
}

impl Blocks {
    fn new(whole: bool) -> Self {
        let out = BufWriter::with_capacity(BLOCK, io::stdout());
        Self {
            out: Rc::new(RefCell::new(out)),
            whole,
        }
    }

    /// Writes what is left.
    fn end(&self) -> io::Result<()> {
        self.out.borrow_mut().flush()
    }
}

impl Write for Blocks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.whole {
            true => Ok(()),
            false => self.end(),
        }
    }
}

/// Prints records, one after the other.
pub(super) struct Printer {
    format: &'static Format<Record>,
    output: Box<dyn Output<Record>>,
    out: Blocks,
    /// Only where somebody can see them.
    digest: Option<Digest>,
    look: Look,
}

impl Printer {
    /// `chosen`: the reader of a recording has filters.
    pub(super) fn new(args: &PrintArgs, verbose: bool, chosen: bool, coming: Coming) -> Self {
        let terminal = terminal::look(args.color);
        let out = Blocks::new(coming == Coming::AtOnce && !terminal::is_there());
        let live = coming == Coming::Live;
        let look = Look {
            verbosity: match (args.quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            },
            chosen,
            recorded: !live,
            live,
            moves: terminal.moves && live,
            each: args.each,
            ..terminal
        };
        Self {
            format: args.format,
            output: args.format.open(Box::new(out.clone()), look),
            out,
            digest: args.format.for_people.then(Digest::default),
            look,
        }
    }

    /// Whether a record is printed as the line that it was read from, where that is one of forktrace's own.
    pub(super) fn takes_lines(&self) -> bool {
        self.format.name == "json" && self.digest.is_none()
    }

    /// Such a line, without its newline.
    pub(super) fn show_line(&mut self, line: &[u8]) -> io::Result<()> {
        self.out.write_all(line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }

    /// Written at once, unless nobody waits for it.
    pub(super) fn show(&mut self, record: &Record) -> anyhow::Result<()> {
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
    pub(super) fn with_digest(mut self) -> Self {
        self.digest.get_or_insert_default();
        self
    }

    /// What has been shown so far, in sum; on standard error where standard output has lines for
    /// programs.
    pub(super) fn sum_up(&mut self) -> anyhow::Result<()> {
        let Some(digest) = &self.digest else {
            return Ok(());
        };
        if !self.format.for_people {
            digest.print_aside();
            return Ok(());
        }
        self.output.settle()?;
        self.out.write_all(digest.text(self.look).as_bytes())?;
        Ok(self.out.flush()?)
    }

    /// A line for people, after all records; on standard error where standard output has lines for
    /// programs.
    pub(super) fn remark(&mut self, text: &str) -> anyhow::Result<()> {
        if self.format.for_people {
            self.output.settle()?;
            writeln!(self.out, "{text}")?;
        } else {
            let _ = writeln!(io::stderr(), "forktrace: {text}");
        }
        Ok(())
    }

    /// When there is something to print though nothing comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.output.due()
    }

    /// Prints that.
    pub(super) fn pass(&mut self) -> anyhow::Result<()> {
        Ok(self.output.pass()?)
    }

    /// At the end: prints what was held back.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.output.settle()?;
        Ok(self.out.end()?)
    }
}
