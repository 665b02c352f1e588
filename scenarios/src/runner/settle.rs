//! Waiting until what was provoked is recorded.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, anyhow};
use forktrace::record::Record;

use crate::expect::Recorded;
use crate::machine::await_some;
use crate::oom;
use crate::scenario::Run;
use crate::tracer::Tracer;

/// Waits until everything that was provoked is recorded, and reads the files
/// that the records name while they are there.
pub(super) fn settle(
    tracer: &mut Tracer,
    recorded: &mut Recorded,
    run: &Run,
    patience: &mut Duration,
) -> Result<()> {
    let mut wanted: HashMap<u32, u64> = HashMap::new();
    let mut files: HashMap<u32, &Path> = HashMap::new();
    for expect in &run.expects {
        *wanted.entry(expect.pid).or_default() += 1;
        if let Some(file) = expect.limit.as_ref().and_then(|l| l.file.as_deref()) {
            files.insert(expect.pid, file);
        }
    }
    // Lines that came with the session's belong to the first scenario.
    let mut error = None;
    let settled = await_some(*patience, || {
        match tracer.read() {
            Ok(from) => {
                for line in &tracer.lines[from..] {
                    recorded.add(line);
                    if let Record::Failure(failure) = &line.record
                        && files.contains_key(&failure.caller.pid)
                        && let Some(file) = failure.limit.as_ref().and_then(|l| l.file.as_ref())
                    {
                        let text =
                            fs::read_to_string(file).unwrap_or_else(|error| error.to_string());
                        recorded.files.insert(failure.seq, text);
                    }
                }
            }
            Err(e) => {
                error = Some(e);
                return Some(());
            }
        }
        if let Some(status) = tracer.running.status() {
            error = Some(anyhow!(
                "forktrace ended ({status}); it said: {}",
                tracer.running.said().trim()
            ));
            return Some(());
        }
        let complete = wanted
            .iter()
            .all(|(pid, count)| recorded.count(*pid) >= *count);
        let mut kills = run.kills.iter();
        (complete && kills.all(|kill| oom::is_recorded(&tracer.lines, kill.pid))).then_some(())
    });
    if settled.is_none() {
        // Something is missing: the comparison will say what. Don't wait as long
        // for the next.
        *patience = (*patience / 2).max(Duration::from_millis(500));
    }
    match error {
        Some(error) => Err(error),
        None => Ok(()),
    }
}
