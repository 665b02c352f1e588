//! `live`: prints each failure with its cause as it happens.

use std::time::Instant;

use forktrace::record::Record;

use super::{
    print::{Coming, Printer},
    trace::{self, Sink},
};
use crate::{cli::LiveArgs, exit::Exit};

pub(super) fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    trace::run(&args.trace, || {
        let printer = Printer::new(&args.print, args.trace.verbose, false, Coming::Live);
        Ok(printer.with_digest())
    })
}

impl Sink for Printer {
    fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        self.show(record)
    }

    fn sum_up(&mut self) -> anyhow::Result<()> {
        Self::sum_up(self)
    }

    fn due(&self) -> Option<Instant> {
        Self::due(self)
    }

    fn pass(&mut self) -> anyhow::Result<()> {
        Self::pass(self)
    }
}
