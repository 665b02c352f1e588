//! Which sessions a replay has as a whole: of those that have no end, or fewer failures than they counted,
//! what is printed isn't all.

use std::collections::HashMap;

use forktrace::{
    order::Order as _,
    record::{Record, Session, Summary},
    view::{not_in_files, without_summary},
};

/// More sessions aren't remembered: of those that come then nothing is said.
const MOST: usize = 4096;

/// By host, boot and start. Each file of a session begins with the session's record; the last one ends
/// with its summary.
type Key = (String, Option<String>, String);

/// What has come of one.
#[derive(Default)]
struct SoFar {
    failures: u64,
    lost: u64,
    summary: Option<Summary>,
}

/// All that have come.
#[derive(Default)]
pub(super) struct Sessions {
    all: Vec<(Key, SoFar)>,
    /// Places in these.
    places: HashMap<Key, usize>,
    current: Option<usize>,
}

impl Sessions {
    /// Takes a record, before any filter.
    pub(super) fn take(&mut self, record: &Record) {
        if let Record::Session(session) = record {
            return self.begin(session);
        }
        let Some(so_far) = self.so_far() else {
            return;
        };
        let (failures, lost) = match record {
            Record::Failure(_) => (1, 0),
            Record::Repeat(repeat) => (repeat.count, 0),
            Record::Loss(loss) if loss.is_of_failures() => (loss.count, loss.count),
            Record::Summary(summary) => {
                so_far.summary = Some(summary.clone());
                return;
            }
            _ => return,
        };
        so_far.failures = so_far.failures.saturating_add(failures);
        so_far.lost = so_far.lost.saturating_add(lost);
    }

    /// The same, of a failure.
    pub(super) fn take_failure(&mut self) {
        if let Some(so_far) = self.so_far() {
            so_far.failures = so_far.failures.saturating_add(1);
        }
    }

    fn so_far(&mut self) -> Option<&mut SoFar> {
        let (_, so_far) = self.all.get_mut(self.current?)?;
        Some(so_far)
    }

    fn begin(&mut self, session: &Session) {
        let key = (
            session.host.clone(),
            session.boot_id.clone(),
            session.started.clone(),
        );
        let known = self.places.get(&key).copied();
        if known.is_none() && self.all.len() < MOST {
            self.places.insert(key.clone(), self.all.len());
            self.all.push((key, SoFar::default()));
            self.current = Some(self.all.len() - 1);
        } else {
            self.current = known;
        }
    }

    /// What isn't there, one sentence each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let open = self.all.iter().filter(|(_, s)| s.summary.is_none()).count();
        let mut remarks: Vec<String> = without_summary(open as u64).into_iter().collect();
        let mut missing: Vec<(&Key, u64)> = self
            .all
            .iter()
            .filter_map(|(key, so_far)| Some((key, so_far.missing()?)))
            .collect();
        missing.order_by(|(a, _), (b, _)| a.2.cmp(&b.2));
        let told = missing
            .into_iter()
            .filter_map(|((host, _, started), n)| not_in_files(n, host, Some(started)));
        remarks.extend(told);
        remarks
    }
}

impl SoFar {
    /// Failures that its summary counts, and of which it doesn't say that their detail was lost.
    fn missing(&self) -> Option<u64> {
        let summary = self.summary.as_ref()?;
        let all = summary.failures.saturating_sub(self.failures);
        Some(all.saturating_sub(summary.lost.saturating_sub(self.lost)))
    }
}
