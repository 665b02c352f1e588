//! `live`: prints each failure with its cause as it happens.

use forktrace::record::Record;

use super::{
    print::{Of, Printer},
    trace::{self, Sink},
};
use crate::{cli::LiveArgs, exit::Exit};

pub fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    trace::run(&args.trace, || {
        Ok(Printer::new(&args.print, args.trace.verbose, Of::Live).with_digest())
    })
}

impl Sink for Printer {
    fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        self.show(record)
    }

    fn sum_up(&mut self) -> anyhow::Result<()> {
        Self::sum_up(self)
    }
}
