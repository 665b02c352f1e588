//! What forktrace reported, in the judge's terms.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use forktrace::record::{Alike, Certainty, Failure, LossReason, Operation, Record, Repeat};

use crate::expect::Line;

/// A `failure` record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reported {
    pub seq: u64,
    pub tid: u32,
    pub process: u32,
    /// CLOCK_MONOTONIC, nanoseconds.
    pub time: u64,
    pub errno: i32,
    pub cause: String,
    pub certainty: Certainty,
    pub limit: Option<Bound>,
    /// For people.
    pub words: String,
}

/// The limit that a `failure` record names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bound {
    pub scope: String,
    pub value: Option<u64>,
    /// What `usage` has to be compared with.
    pub usable: Option<u64>,
    pub usage: Option<u64>,
}

/// A `repeat` record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeated {
    pub of: u64,
    pub count: u64,
    pub alike: Alike,
}

/// All that came between two looks.
#[derive(Default)]
pub(super) struct Records {
    pub failures: Vec<Reported>,
    pub repeated: Vec<Repeated>,
    /// Counted without detail.
    pub lost: u64,
    /// Returns that no program saw, failing or not.
    pub skipped: u64,
}

impl Records {
    /// Takes lines in; `ahead` is how far the wall clock is ahead of CLOCK_MONOTONIC.
    pub(super) fn take(
        &mut self,
        lines: impl IntoIterator<Item = Line>,
        ahead: i128,
    ) -> Result<()> {
        for line in lines {
            match line.record {
                Record::Failure(failure) if failure.operation != Operation::Exec => {
                    self.failures.push(reported(&failure, ahead)?);
                }
                Record::Repeat(Repeat {
                    of, count, alike, ..
                }) => self.repeated.push(Repeated { of, count, alike }),
                Record::Loss(loss) if loss.is_of_failures() => self.lost += loss.count,
                Record::Loss(loss) if loss.reason == LossReason::Skipped => {
                    self.skipped += loss.count;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Failures that are accounted for.
    pub(super) fn total(&self) -> u64 {
        let repeated: u64 = self.repeated.iter().map(|repeat| repeat.count).sum();
        self.failures.len() as u64 + repeated + self.lost
    }
}

fn reported(failure: &Failure, ahead: i128) -> Result<Reported> {
    let time: jiff::Timestamp = failure.time.parse().context("the time of a failure")?;
    let limit = failure.limit.as_ref().map(|limit| Bound {
        scope: limit.owner.to_string(),
        value: limit.value,
        usable: limit.bound(),
        usage: limit.usage,
    });
    Ok(Reported {
        seq: failure.seq,
        tid: failure.caller.tid,
        process: failure.caller.pid,
        time: u64::try_from(time.as_nanosecond() - ahead).unwrap_or(0),
        errno: errno(failure),
        cause: failure.cause.id().to_owned(),
        certainty: failure.certainty,
        words: format!(
            "seq {} tid {} {} {} {:?} {}",
            failure.seq,
            failure.caller.tid,
            failure.errno,
            failure.cause.id(),
            failure.certainty,
            failure.summary
        ),
        limit,
    })
}

fn errno(failure: &Failure) -> i32 {
    match failure.errno.to_string().as_str() {
        "EAGAIN" => libc::EAGAIN,
        "ENOMEM" => libc::ENOMEM,
        _ => 0,
    }
}

/// What `repeat`s refer to, over the whole session.
#[derive(Default)]
pub(super) struct BySeq(BTreeMap<u64, Reported>);

impl BySeq {
    pub(super) fn learn(&mut self, reported: &[Reported]) {
        self.0.extend(
            reported
                .iter()
                .map(|reported| (reported.seq, reported.clone())),
        );
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Reported> {
        self.0.get(&seq)
    }
}
