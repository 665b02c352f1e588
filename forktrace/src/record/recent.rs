//! What is remembered of the latest failures, for the repeats that refer to them.

use std::{collections::VecDeque, hash::Hash};

use foldhash::HashMap;

/// By what a repeat refers to a failure with; of more than `MOST` the oldest are forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Recent<K, T, const MOST: usize> {
    known: HashMap<K, T>,
    /// The oldest first.
    order: VecDeque<K>,
}

impl<K, T, const MOST: usize> Default for Recent<K, T, MOST> {
    fn default() -> Self {
        Self {
            known: HashMap::default(),
            order: VecDeque::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, T, const MOST: usize> Recent<K, T, MOST> {
    /// Remembers a failure, in the place of another with the same key.
    pub(crate) fn remember(&mut self, key: K, of: T) {
        if self.known.insert(key, of).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// What is known of a failure.
    pub(crate) fn recall(&self, key: K) -> Option<&T> {
        self.known.get(&key)
    }

    /// Forgets all: numbers begin anew with a session.
    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.order.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known() {
        let mut recent = Recent::<u64, &str, 2>::default();
        recent.remember(1, "a");
        recent.remember(1, "b");
        recent.remember(2, "c");
        assert_eq!(
            (recent.recall(1), recent.recall(2)),
            (Some(&"b"), Some(&"c"))
        );
        recent.remember(3, "d");
        assert_eq!((recent.recall(1), recent.recall(3)), (None, Some(&"d")));
        recent.clear();
        assert_eq!(recent.recall(3), None);
    }
}
