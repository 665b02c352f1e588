//! A map of few keys: a list, which is looked through. Causes, certainties and operations are few by their
//! types, and of one row or burst nearly always one.

use crate::order::Order as _;

/// Values by key, in the order in which the keys came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: PartialEq + Copy, V: Default> Few<K, V> {
    /// The value of a key, which is made where it is new.
    #[inline]
    pub(super) fn of(&mut self, key: K) -> &mut V {
        let known = self.0.iter().position(|(known, _)| *known == key);
        let at = known.unwrap_or_else(|| {
            self.0.push((key, V::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }

    /// All of them, in the order in which they came.
    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// All values.
    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl<K: Ord + Copy, V> Few<K, V> {
    /// The keys in their order, whichever came first.
    pub(super) fn in_order(&self) -> Vec<(K, &V)> {
        let mut all: Vec<_> = self.0.iter().map(|(key, value)| (*key, value)).collect();
        all.order_by_key(|(key, _)| *key);
        all
    }

    /// The same.
    pub(super) fn into_order(self) -> Vec<(K, V)> {
        let mut all = self.0;
        all.order_by_key(|(key, _)| *key);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_value_and_its_place_whatever_came_first() {
        let mut few = Few::default();
        for key in [3, 1, 3, 2, 1, 3] {
            *few.of(key) += 1;
        }
        assert_eq!(few.in_order(), [(1, &2), (2, &1), (3, &3)]);
        assert_eq!(few.values().sum::<i32>(), 6);
        assert_eq!(few.into_order(), [(1, 2), (2, 1), (3, 3)]);
    }
}
