//! What belongs to none of the groups.

use super::group::{Line, PAUSE};

/// What belongs to none of the groups: counts.
#[derive(Default)]
pub(super) struct Rest {
    /// Of groups that had to go.
    gone: u64,
    /// Like failures that are not here.
    unknown: u64,
    /// Since when, of the first that isn't said.
    since: u64,
}

impl Rest {
    pub(super) fn add(&mut self, gone: u64, unknown: u64, now: u64) {
        if self.gone == 0 && self.unknown == 0 {
            self.since = now;
        }
        self.gone = self.gone.saturating_add(gone);
        self.unknown = self.unknown.saturating_add(unknown);
    }

    pub(super) fn due(&self) -> Option<u64> {
        (self.gone > 0 || self.unknown > 0).then(|| self.since.saturating_add(PAUSE))
    }

    pub(super) fn settle(&mut self, at: u64) -> Vec<Line> {
        let Self { gone, unknown, .. } = std::mem::take(self);
        let mut texts = Vec::new();
        if gone > 0 {
            texts.push(format!("… {gone} of other limits"));
        }
        if unknown > 0 {
            texts.push(format!(
                "… {unknown} more like failures that are not shown here"
            ));
        }
        texts.into_iter().map(|text| Line { at, text }).collect()
    }
}
