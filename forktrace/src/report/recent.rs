//! The failures of a session that its repeats can refer to, by their numbers. Nearly always these come in
//! ascending order, so that a list is one to search in; a table of hashes is made where they don't.

use std::collections::VecDeque;

use foldhash::HashMap;

/// What is known of each, the latest last.
#[derive(Clone)]
pub(super) enum Recent<T> {
    /// By ascending number.
    Ascending(VecDeque<(u64, T)>),
    /// By number, and the numbers in the order in which they came.
    Any(HashMap<u64, T>, VecDeque<u64>),
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self::Ascending(VecDeque::new())
    }
}

impl<T: Copy> Recent<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ascending(all) => all.len(),
            Self::Any(all, _) => all.len(),
        }
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Remembers one, in the place of what was known by this number; whether it is new.
    pub(super) fn insert(&mut self, seq: u64, known: T) -> bool {
        if let Self::Ascending(all) = self {
            match all.back_mut() {
                Some((last, of_last)) if *last == seq => {
                    *of_last = known;
                    return false;
                }
                Some((last, _)) if *last > seq => self.take_any(),
                _ => {
                    all.push_back((seq, known));
                    return true;
                }
            }
        }
        match self {
            Self::Any(all, order) => {
                let new = all.insert(seq, known).is_none();
                if new {
                    order.push_back(seq);
                }
                new
            }
            Self::Ascending(_) => false,
        }
    }

    /// Forgets the one that came first.
    pub(super) fn forget_oldest(&mut self) {
        match self {
            Self::Ascending(all) => {
                all.pop_front();
            }
            Self::Any(all, order) => {
                if let Some(oldest) = order.pop_front() {
                    all.remove(&oldest);
                }
            }
        }
    }

    /// What is known of this number.
    pub(super) fn get(&self, seq: u64) -> Option<T> {
        match self {
            Self::Ascending(all) => {
                let at = all.binary_search_by_key(&seq, |(known, _)| *known).ok()?;
                all.get(at).map(|(_, known)| *known)
            }
            Self::Any(all, _) => all.get(&seq).copied(),
        }
    }

    /// From here on numbers may come in any order.
    fn take_any(&mut self) {
        if let Self::Ascending(all) = self {
            let order = all.iter().map(|(seq, _)| *seq).collect();
            *self = Self::Any(all.drain(..).collect(), order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_in_whatever_order_the_numbers_came() {
        for numbers in [[1, 2, 3, 4, 4, 5], [5, 4, 3, 3, 2, 1], [3, 4, 1, 4, 2, 5]] {
            let mut recent = Recent::default();
            let mut came = Vec::new();
            for (n, seq) in numbers.into_iter().enumerate() {
                let new = !came.contains(&seq);
                came.extend(new.then_some(seq));
                assert_eq!(recent.insert(seq, n), new, "{numbers:?}: {seq}");
                assert_eq!(recent.get(seq), Some(n));
            }
            for (n, seq) in came.iter().enumerate() {
                assert_eq!(recent.len(), came.len() - n);
                assert!(recent.get(*seq).is_some());
                recent.forget_oldest();
                assert_eq!(recent.get(*seq), None, "{numbers:?}: {seq}");
            }
            assert!(recent.is_empty());
        }
    }
}
