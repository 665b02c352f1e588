//! `live`: prints each failure with its cause as it happens.

use super::{print::Printer, trace};
use crate::{cli::LiveArgs, exit::Exit};

pub fn run(args: &LiveArgs) -> anyhow::Result<Exit> {
    trace::run(&args.trace, || {
        let mut printer = Printer::new(&args.print, args.trace.verbose);
        Ok(Box::new(move |record| printer.show(record)))
    })
}
