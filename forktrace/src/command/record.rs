//! `record`: writes each failure to a file.

use forktrace::{
    record::{Existing, Keeping, Record, Recording, Sync},
    view::{clean, oom_kills},
};

use super::trace;
use crate::{
    cli::{RecordArgs, SyncPolicy},
    exit::{Exit, UsageError},
};

pub fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let quiet = args.quiet;
    let path = args.output.clone();
    let keeping = keeping(args)?;
    trace::run(&args.trace, || {
        let mut recording = Recording::open(&args.output, keeping)?;
        Ok(Box::new(move |record| {
            recording.write(record)?;
            if let Some(warning) = recording.warning() {
                eprintln!("forktrace: {:#}", anyhow::Error::from(warning));
            }
            match record {
                Record::Session(session) if !quiet => eprintln!(
                    "forktrace: recording to {} (attached by {}); Ctrl-C ends",
                    clean(&path.to_string_lossy()),
                    session.attach
                ),
                Record::Summary(summary) if !quiet => {
                    let kills = match summary.oom_kills {
                        0 => String::new(),
                        n => format!(", {}", oom_kills(n)),
                    };
                    eprintln!(
                        "forktrace: {} failed creations{kills} recorded",
                        summary.failures
                    );
                }
                _ => {}
            }
            Ok(())
        }))
    })
}

fn keeping(args: &RecordArgs) -> Result<Keeping, UsageError> {
    let k = &args.keeping;
    if k.keep.is_some() && k.max_size.is_none() && k.max_age.is_none() {
        return Err(UsageError(
            "--keep: no file is ever put away without --max-size or --max-age".to_owned(),
        ));
    }
    Ok(Keeping {
        existing: match (args.append, args.force) {
            (true, _) => Existing::Append,
            (_, true) => Existing::Overwrite,
            _ => Existing::Refuse,
        },
        max_size: k.max_size,
        max_age: k.max_age,
        keep: k.keep,
        sync: match k.sync {
            SyncPolicy::System => Sync::System,
            SyncPolicy::File => Sync::File,
            SyncPolicy::Record => Sync::Record,
        },
        min_free: k.min_free,
    })
}
