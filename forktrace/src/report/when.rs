//! From when until when something was.

use jiff::Timestamp;

use crate::model::time::timestamp;

/// First and last; nothing at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct When(Option<(Timestamp, Timestamp)>);

impl When {
    /// From two times in any order.
    pub(super) fn between(a: Timestamp, b: Timestamp) -> Self {
        Self(Some((a.min(b), a.max(b))))
    }

    /// From what a record says; what has no readable time was never.
    pub(super) fn parse(first: &str, last: &str) -> Self {
        let Some(a) = timestamp(first) else {
            return Self(None);
        };
        if first == last {
            return Self(Some((a, a)));
        }
        timestamp(last).map_or(Self(None), |b| Self::between(a, b))
    }

    pub(super) fn get(self) -> Option<(Timestamp, Timestamp)> {
        self.0
    }

    pub(super) fn first(self) -> Option<String> {
        self.0.map(|(first, _)| first.to_string())
    }

    pub(super) fn last(self) -> Option<String> {
        self.0.map(|(_, last)| last.to_string())
    }

    /// Takes another one in.
    pub(super) fn cover(&mut self, other: Self) {
        self.0 = match (self.0, other.0) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (a, b) => a.or(b),
        };
    }

    /// Whether it ended no earlier than the other one.
    pub(super) fn is_latest(self, of: Self) -> bool {
        self.0.map(|t| t.1) >= of.0.map(|t| t.1)
    }
}
