//! Single failures that a page shows whole: of each kind of limit the first, the one with the most in use,
//! and the latest. They stay lines until the end.

use std::sync::Arc;

use super::{document::Sample, when::When};
use crate::{
    order::Order as _,
    record::{Record, parse_line},
};

/// Bytes of a line that is kept; forktrace's take a tenth.
const LONGEST: usize = 32 * 1024;

/// A failure that is kept.
#[derive(Clone, Default)]
struct Kept {
    when: When,
    usage: Option<u64>,
    host: Arc<str>,
    line: Vec<u8>,
}

impl Kept {
    fn replace(&mut self, when: When, usage: Option<u64>, host: &Arc<str>, line: &[u8]) {
        self.when = when;
        self.usage = usage;
        self.host = Arc::clone(host);
        self.line.clear();
        self.line.extend_from_slice(line);
    }
}

#[derive(Clone, Default)]
pub(super) struct Samples {
    first: Kept,
    fullest: Kept,
    latest: Kept,
}

impl Samples {
    /// Takes a failure's line.
    pub(super) fn take(&mut self, when: When, usage: Option<u64>, host: &Arc<str>, line: &[u8]) {
        if line.len() > LONGEST || when.get().is_none() {
            return;
        }
        if self.first.line.is_empty() || !when.is_latest(self.first.when) {
            self.first.replace(when, usage, host, line);
        }
        if self.fullest.line.is_empty() || usage > self.fullest.usage {
            self.fullest.replace(when, usage, host, line);
        }
        if when.is_latest(self.latest.when) {
            self.latest.replace(when, usage, host, line);
        }
    }

    /// By time, each once.
    pub(super) fn finish(self) -> Vec<Sample> {
        let mut all = vec![self.first, self.fullest, self.latest];
        all.order_by_key(|kept| kept.when.get());
        all.dedup_by(|a, b| a.line == b.line && a.host == b.host);
        let samples = all.into_iter().filter_map(|kept| {
            let Record::Failure(failure) = parse_line(&kept.line)? else {
                return None;
            };
            Some(Sample {
                host: kept.host.to_string(),
                failure: *failure,
            })
        });
        samples.collect()
    }
}
