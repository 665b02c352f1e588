//! `record`: writes each failure to a file.

use forktrace::record::{Record, Recording};

use super::trace;
use crate::{cli::RecordArgs, exit::Exit};

pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let quiet = args.quiet;
    let path = args.output.clone();
    trace::run(&args.trace, || {
        let mut recording = Recording::create(&args.output, args.force)?;
        Ok(Box::new(move |record| {
            recording.write(record)?;
            match record {
                Record::Session(session) if !quiet => eprintln!(
                    "forktrace: recording to {} (attached by {}); Ctrl-C ends",
                    forktrace::view::clean(&path.to_string_lossy()),
                    session.attach
                ),
                Record::Summary(summary) if !quiet => {
                    eprintln!("forktrace: {} failed creations recorded", summary.failures);
                }
                _ => {}
            }
            Ok(())
        }))
    })
}
