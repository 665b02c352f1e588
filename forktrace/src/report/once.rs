//! What was counted of a session already: the same recording given twice, or a copy of it beside it.
//!
//! Failures are known by their numbers, kept as ranges: a session's follow each other, so that these
//! are few. Other records have no number, and are known by what they say. Both are bounded; beyond
//! the bound records are counted as if they were new, and the report says so.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, Hash},
};

use foldhash::{HashSet, quality::RandomState};

/// Ranges of all sessions together.
const RANGES: usize = 1 << 16;
/// Records without a number, of all sessions together.
const OTHERS: usize = 1 << 18;

/// What has been counted, by session.
#[derive(Clone, Default)]
pub(super) struct Once {
    /// First and last of each range; no two touch.
    ranges: BTreeMap<(usize, u64), u64>,
    others: HashSet<u64>,
    hasher: RandomState,
    /// There were more than are kept.
    pub more: bool,
}

impl Once {
    /// Whether the failure of this number is new.
    pub(super) fn failure(&mut self, session: usize, seq: u64) -> bool {
        let before = self.ranges.range_mut(..=(session, seq)).next_back();
        let before = before.filter(|(key, _)| key.0 == session);
        let after = (session, seq.saturating_add(1));
        match before {
            Some((_, last)) if seq <= *last => return false,
            Some((_, last)) if *last + 1 == seq => {
                *last = seq;
                let key = (session, seq);
                if let Some(end) = self.ranges.remove(&after)
                    && let Some((_, last)) = self.ranges.range_mut(..=key).next_back()
                {
                    *last = end;
                }
                return true;
            }
            _ => {}
        }
        let end = self.ranges.remove(&after).unwrap_or(seq);
        if self.ranges.len() < RANGES {
            self.ranges.insert((session, seq), end);
        } else {
            self.more = true;
        }
        true
    }

    /// Whether a record that says this is new.
    pub(super) fn other(&mut self, session: usize, says: impl Hash) -> bool {
        let known = self.hasher.hash_one((session, says));
        if self.others.contains(&known) {
            return false;
        }
        if self.others.len() < OTHERS {
            self.others.insert(known);
        } else {
            self.more = true;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_in_whatever_order() {
        let mut once = Once::default();
        for seq in [5, 1, 2, 4, 3, 9, u64::MAX, 0] {
            assert!(once.failure(0, seq), "{seq}");
        }
        assert_eq!(once.ranges.len(), 3);
        for seq in [0, 1, 2, 3, 4, 5, 9, u64::MAX] {
            assert!(!once.failure(0, seq), "{seq}");
            assert!(once.failure(1, seq), "{seq}");
        }
        assert!(once.other(0, ("a", 1)) && once.other(1, ("a", 1)));
        assert!(!once.other(0, ("a", 1)) && once.other(0, ("a", 2)));
    }

    #[test]
    fn both_are_bounded() {
        let mut once = Once::default();
        for n in 0..RANGES as u64 {
            assert!(once.failure(0, n * 2) && !once.more);
        }
        assert!(once.failure(1, 0) && once.more);
        assert_eq!(once.ranges.len(), RANGES);
        let mut once = Once::default();
        for n in 0..OTHERS {
            assert!(once.other(0, n) && !once.more);
        }
        assert!(!once.other(0, 0) && !once.more);
        assert!(once.other(1, 0) && once.more);
        assert_eq!(once.others.len(), OTHERS);
    }
}
