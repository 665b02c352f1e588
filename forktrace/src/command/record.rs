//! `record`: writes each failure to a file.

use std::path::{Path, PathBuf};

use forktrace::{
    record::Record,
    recording::{Existing, Keeping, RECORDINGS, Recording, Sync, check_name},
    view::{oom_kills, shown, without_numbers},
};

use super::{
    digest::Digest,
    trace::{self, Sink},
};
use crate::{
    cli::{RecordArgs, SyncPolicy},
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &RecordArgs) -> anyhow::Result<Exit> {
    let keeping = keeping(args)?;
    let rotates = keeping.max_size.is_some() || keeping.max_age.is_some();
    trace::run(&args.trace, || {
        Ok(Recorder {
            recording: Recording::open(&args.output, keeping)?,
            path: args.output.clone(),
            rotates,
            quiet: args.quiet,
            digest: Digest::default(),
        })
    })
}

struct Recorder {
    recording: Recording,
    path: PathBuf,
    rotates: bool,
    quiet: bool,
    digest: Digest,
}

impl Sink for Recorder {
    fn take(&mut self, record: &Record) -> anyhow::Result<()> {
        self.recording.write(record)?;
        self.digest.add(record);
        if let Some(warning) = self.recording.warning() {
            let warning = format!("{:#}", anyhow::Error::from(warning));
            eprintln!("forktrace: {}", without_numbers(&warning));
        }
        match record {
            Record::Session(session) if !self.quiet => eprintln!(
                "forktrace: recording to {} (attached by {}); Ctrl-C ends",
                shown(&self.path),
                session.attach
            ),
            Record::Summary(summary) if !self.quiet => {
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
    }

    fn sum_up(&mut self) -> anyhow::Result<()> {
        self.digest.print_aside();
        Ok(())
    }

    fn folder(&self) -> Option<&Path> {
        let folder = self.path.parent()?;
        let here = folder.as_os_str().is_empty();
        self.rotates
            .then_some(if here { Path::new(".") } else { folder })
    }
}

fn keeping(args: &RecordArgs) -> anyhow::Result<Keeping> {
    // What is wrong with the name is said before anything is attached.
    check_name(&args.output, RECORDINGS)?;
    let k = &args.keeping;
    let whole = k.max_size.is_some() || k.max_age.is_some() || args.append;
    if args.output == Path::new("-") && whole {
        let text = "-o -: standard output is no file to append to or to put away";
        return Err(UsageError(text.to_owned()).into());
    }
    if k.keep.is_some() && k.max_size.is_none() && k.max_age.is_none() {
        return Err(UsageError(
            "--keep: no file is ever put away without --max-size or --max-age".to_owned(),
        )
        .into());
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
