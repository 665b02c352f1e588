//! What has been seen so far, summed up while it is traced or replayed.

use std::io::{self, Write as _};

use forktrace::{
    record::{Record, Session},
    report::Aggregator,
    view::{Look, report_digest},
};

/// Takes every record, and sums them up at any time.
#[derive(Default)]
pub(super) struct Digest {
    /// `None` until there is something to sum up: most sessions never see a failure.
    aggregator: Option<Aggregator>,
    failures: u64,
    session: Option<Box<Session>>,
}

impl Digest {
    /// Takes a record. Another `session` begins anew; a recording that goes on in another file repeats its own
    /// there.
    pub(super) fn add(&mut self, record: &Record) {
        match record {
            Record::Session(session) if self.session.as_ref() == Some(session) => return,
            Record::Session(session) => {
                *self = Self {
                    session: Some(session.clone()),
                    ..Self::default()
                };
                return;
            }
            Record::Failure(_) => self.failures += 1,
            Record::Repeat(repeat) => self.failures = self.failures.saturating_add(repeat.count),
            Record::Loss(_) | Record::OomKill(_) | Record::Summary(_) => {}
        }
        self.aggregator
            .get_or_insert_with(Aggregator::for_digest)
            .take_record(record);
    }

    /// Failures shown in full, and their repeats.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// What to do first, and the tables.
    pub(super) fn text(&self, look: Look) -> String {
        let digest = self.aggregator.as_ref().map_or_else(String::new, |sums| {
            report_digest(&sums.clone().finish(), look.colours, look.width)
        });
        match digest.is_empty() {
            true => "No failed creation so far.\n".to_owned(),
            false => digest,
        }
    }

    /// Writes the digest to standard error, which nobody need listen to.
    pub(super) fn print_aside(&self) {
        let _ = io::stderr().write_all(self.text(Look::PLAIN).as_bytes());
    }
}
