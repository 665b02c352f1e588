//! Records as rows of a table, for engines that read tables: each with its host and session, and each
//! repeat with what it has in common with the failure that it repeats.
//!
//! What [`Row::failures`] adds up to is what a report counts of the same files, for a report counts
//! beside: a recording that is given twice is told once. Memory is bounded as a report's is: beyond the
//! latest failures, and beyond so many repeats whose failure hasn't come, a repeat has no cause.

pub mod columns;
mod row;

use std::rc::Rc;

use foldhash::HashMap;

use self::row::Common;
pub use self::row::{Row, json_schema};
use crate::{
    order::Order as _,
    record::{Recent, Record, Repeat, Session},
    recording::{Item, ReadError, Reader, Wanted},
    report::{Aggregator, Report},
};

/// Failures that repeats can refer to: as many as of one session in a report.
const RECENT: usize = 8192;
/// Repeats that wait for their failure.
const MOST_WAITING: usize = 1 << 14;

/// Which failure: the place of its session, and its number.
type Key = (usize, u64);

/// Repeats whose failure hasn't come, and their session.
type Waiting = (Repeat, Option<Rc<Session>>);

/// Makes rows of recordings.
pub struct Flattener {
    sums: Aggregator,
    session: Option<Rc<Session>>,
    /// Sessions so far, for those that share a place in the sums.
    sessions: usize,
    /// Where the session is in the sums.
    at: Option<usize>,
    recent: Recent<Key, Common, RECENT>,
    waiting: HashMap<Key, Vec<Waiting>>,
    waits: usize,
}

impl Default for Flattener {
    fn default() -> Self {
        Self {
            sums: Aggregator::new(Wanted::default()),
            session: None,
            sessions: 0,
            at: None,
            recent: Recent::default(),
            waiting: HashMap::default(),
            waits: 0,
        }
    }
}

impl Flattener {
    /// Gives a file's rows, in its order.
    pub fn read<E: From<ReadError>>(
        &mut self,
        reader: &mut Reader,
        mut give: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums.begin_file();
        self.session = None;
        self.at = None;
        while let Some(item) = reader.next()? {
            match item {
                Item::Record(record) => {
                    self.take(record, &mut give)?;
                }
                Item::Gap(gap) => {
                    self.sums.lose(&gap);
                    if let Some(session) = gap.session {
                        self.begin(&session);
                        // Damaged data is believed in nothing but what stands undamaged elsewhere.
                        let sure = self.sums.known_session();
                        self.session = sure.map(|session| Rc::new(session.clone()));
                    }
                }
            }
        }
        self.sums.add_damage(reader.damage());
        Ok(())
    }

    /// Gives what has waited in vain, and the report of all.
    pub fn finish<E>(
        mut self,
        mut give: impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<Report, E> {
        let mut waiting: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        waiting.order_by_key(|(key, _)| *key);
        for (repeat, session) in waiting.into_iter().flat_map(|(_, all)| all) {
            give(&Row::repeat(session.as_deref(), &repeat, None))?;
        }
        Ok(self.sums.finish())
    }

    fn begin(&mut self, session: &Session) {
        self.sessions += 1;
        self.session = Some(Rc::new(session.clone()));
        self.at = Some(self.sums.place_of_session());
    }

    /// Of the record that was counted last.
    fn key(&mut self, seq: u64) -> Key {
        let at = self.sums.place_of_session();
        let shared = self.sums.is_place_shared();
        (at + if shared { self.sessions } else { 0 }, seq)
    }

    fn take<E>(
        &mut self,
        record: Record,
        give: &mut impl FnMut(&Row<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums.take_record(&record);
        if let Record::Session(session) = &record {
            self.begin(session);
            return Ok(());
        }
        // Behind a gap it may be another's, of which nothing is known.
        if self.at.is_some_and(|at| at != self.sums.place_of_session()) {
            self.session = None;
            self.at = None;
        }
        if !self.sums.was_new() {
            return Ok(());
        }
        let session = self.session.clone();
        match record {
            Record::Failure(failure) => {
                give(&Row::failure(session.as_deref(), &failure))?;
                let key = self.key(failure.seq);
                let common = Common::of(*failure);
                if let Some(repeats) = self.waiting.remove(&key) {
                    self.waits -= repeats.len();
                    for (repeat, session) in repeats {
                        give(&Row::repeat(session.as_deref(), &repeat, Some(&common)))?;
                    }
                }
                self.recent.remember(key, common);
            }
            Record::Repeat(repeat) => {
                let key = self.key(repeat.of);
                match self.recent.recall(key) {
                    Some(common) => {
                        give(&Row::repeat(session.as_deref(), &repeat, Some(common)))?;
                    }
                    None if self.waits < MOST_WAITING => {
                        self.waits += 1;
                        self.waiting.entry(key).or_default().push((repeat, session));
                    }
                    None => give(&Row::repeat(session.as_deref(), &repeat, None))?,
                }
            }
            Record::Loss(loss) => {
                let failures = if loss.is_of_failures() { loss.count } else { 0 };
                give(&Row::loss(session.as_deref(), &loss, failures))?;
            }
            Record::OomKill(kill) => give(&Row::oom_kill(session.as_deref(), &kill))?,
            Record::Session(_) | Record::Summary(_) => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
