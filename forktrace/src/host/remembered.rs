//! What was read of files, kept for a minute: in a storm, refusal after refusal asks for the same.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Files are read again after this.
const FRESH: Duration = Duration::from_secs(60);

/// Answers by what was asked; of so many at most, then it begins anew.
#[derive(Debug)]
pub struct Remembered<K, V> {
    most: usize,
    known: HashMap<K, (Instant, V)>,
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// Nothing yet.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            known: HashMap::new(),
        }
    }

    /// The answer, which is read where none of the last minute is known.
    pub fn get(&mut self, key: K, read: impl FnOnce(&K) -> V) -> V {
        if let Some((at, known)) = self.known.get(&key)
            && at.elapsed() < FRESH
        {
            return known.clone();
        }
        let found = read(&key);
        if self.known.len() >= self.most {
            self.known.clear();
        }
        self.known.insert(key, (Instant::now(), found.clone()));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_once() {
        let mut remembered = Remembered::new(2);
        let mut reads = Vec::new();
        for key in [1, 1, 2, 1, 3, 1] {
            let answer = remembered.get(key, |key| {
                reads.push(*key);
                key * 10
            });
            assert_eq!(answer, key * 10);
        }
        // The third left no room for the two before it.
        assert_eq!(reads, [1, 2, 3, 1]);
    }
}
