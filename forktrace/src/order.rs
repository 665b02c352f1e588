//! Sorting that is compiled once. The standard library's is compiled for each type and each order, to
//! some 6 kB: those of all tables here were a twentieth of the program.
//!
//! For tables that are sorted once an answer. What is sorted again and again takes the standard
//! library's, and so do numbers.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

/// A set of these, filled one by one: `collect` sorts first.
pub fn set<T: Ord>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    set.extend(items);
    set
}

/// The same of a map; of equal keys the last one's value counts.
pub fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// Slices that are put in order; what is equal keeps its order.
pub trait Order<T> {
    /// As [`slice::sort`].
    fn order(&mut self)
    where
        T: Ord;

    /// As [`slice::sort_by`].
    fn order_by(&mut self, compare: impl FnMut(&T, &T) -> Ordering);

    /// As [`slice::sort_by_key`].
    fn order_by_key<K: Ord>(&mut self, key: impl FnMut(&T) -> K);
}

impl<T> Order<T> for [T] {
    fn order(&mut self)
    where
        T: Ord,
    {
        self.order_by(T::cmp);
    }

    fn order_by(&mut self, mut compare: impl FnMut(&T, &T) -> Ordering) {
        let mut from: Vec<usize> = (0..self.len()).collect();
        sort(&mut from, &mut |a, b| compare(&self[a], &self[b]));
        put(&mut from, &mut |a, b| self.swap(a, b));
    }

    fn order_by_key<K: Ord>(&mut self, mut key: impl FnMut(&T) -> K) {
        self.order_by(|a, b| key(a).cmp(&key(b)));
    }
}

/// The one sort: of places, by what stands there.
fn sort(places: &mut [usize], compare: &mut dyn FnMut(usize, usize) -> Ordering) {
    places.sort_by(|a, b| compare(*a, *b));
}

/// Brings to each place what stands at `from[place]`, by swaps: along each ring of places that take
/// from one another.
fn put(from: &mut [usize], swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..from.len() {
        let mut place = start;
        loop {
            let next = std::mem::replace(&mut from[place], place);
            if next == start {
                break;
            }
            swap(place, next);
            place = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_maps_are_those_that_are_collected() {
        let pairs = [(3, 'a'), (1, 'b'), (3, 'c'), (2, 'd')];
        assert_eq!(map(pairs), pairs.into_iter().collect());
        let keys = pairs.map(|(key, _)| key);
        assert_eq!(set(keys), keys.into_iter().collect());
    }

    /// Every order of up to seven values, of which some are equal.
    #[test]
    fn the_order_is_the_standard_library_s() {
        for length in 0..8_u32 {
            for n in 0..4_u32.pow(length) {
                let values: Vec<_> = (0..length).map(|at| (n >> (2 * at) & 3, at)).collect();
                let (mut ours, mut theirs) = (values.clone(), values);
                ours.order_by_key(|(value, _)| *value);
                theirs.sort_by_key(|(value, _)| *value);
                assert_eq!(ours, theirs);
                ours.order_by(|(a, _), (b, _)| b.cmp(a));
                theirs.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
                assert_eq!(ours, theirs);
                ours.order();
                theirs.sort_unstable();
                assert_eq!(ours, theirs);
            }
        }
    }
}
