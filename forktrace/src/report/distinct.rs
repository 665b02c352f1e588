//! How many limits there are, of which a table has room for some: each is known by 64 bits of its key.

use std::hash::BuildHasher as _;

use foldhash::{HashSet, quality::RandomState};

/// Limits that are told apart.
const MOST: usize = 1 << 18;

/// Those that have been counted.
#[derive(Clone, Default)]
pub(super) struct Distinct {
    known: HashSet<u64>,
    hasher: RandomState,
    /// There were more than are told apart.
    more: bool,
}

impl Distinct {
    /// What a key is known by.
    pub(super) fn short(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Whether it has not been counted before.
    pub(super) fn is_new(&mut self, short: u64) -> bool {
        let known = self.known.contains(&short);
        if !known && self.known.len() >= MOST {
            self.more = true;
            return false;
        }
        !known && self.known.insert(short)
    }

    /// Whether all have been told apart.
    pub(super) fn is_exact(&self) -> bool {
        !self.more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_new_once_up_to_the_bound() {
        let mut all = Distinct::default();
        for n in 0..MOST as u64 {
            assert!(all.is_new(n));
        }
        assert!(!all.is_new(7) && all.is_exact());
        assert!(!all.is_new(MOST as u64) && !all.is_exact());
        assert_eq!(all.known.len(), MOST);
        assert_eq!(all.short(b"a"), all.short(b"a"));
    }
}
