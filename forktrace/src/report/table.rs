//! A table of bounded size that counts exactly what it holds, and the rest.
//!
//! At twice the bound the half with the smaller counts goes, and its counts are
//! added to `others`. So rows and others together are always exact, and a
//! row that matters stays; one that went and came again is short by what it had
//! then, and the table says that this can be (`dropped`).

use foldhash::HashMap;

use super::counts::add;
use crate::order::Order as _;

/// Rows by key.
#[derive(Clone)]
pub struct Table<R> {
    bound: usize,
    index: HashMap<Box<[u8]>, u32>,
    slots: Vec<Slot<R>>,
    free: Vec<u32>,
    others: Others,
}

#[derive(Clone)]
struct Slot<R> {
    /// How many rows have had this slot: an old handle must not meet a new row.
    generation: u32,
    count: u64,
    row: Option<(Box<[u8]>, R)>,
}

/// Which row it was; it may be gone since.
#[derive(Clone, Copy, Debug)]
pub struct Handle {
    slot: u32,
    generation: u32,
}

/// What the table has no row for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// How much was counted for them.
    pub count: u64,
    /// Of these, what was not known to be any row's.
    pub unrecorded: u64,
    /// Rows that had to go; the same one can have gone several times.
    pub dropped: u64,
}

/// A row's count, its key and itself.
pub(super) type Keyed<R> = (u64, Box<[u8]>, R);

impl<R> Table<R> {
    /// Of `bound` to twice as many rows.
    pub fn new(bound: usize) -> Self {
        Self {
            bound,
            index: HashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            others: Others::default(),
        }
    }

    /// Adds to the row of this key, which is made where it is new.
    pub fn add(&mut self, key: &[u8], count: u64, new: impl FnOnce() -> R) -> (Handle, &mut R) {
        let slot = match self.index.get(key) {
            Some(slot) => *slot,
            None => self.insert(key, new()),
        };
        let found = &mut self.slots[slot as usize];
        add(&mut found.count, count);
        let handle = Handle {
            slot,
            generation: found.generation,
        };
        let (_, row) = found.row.as_mut().expect("what the index names is there");
        (handle, row)
    }

    /// [`Self::add`] to a row of which `known` says where it was, and keeps it where it is now.
    pub fn add_known(
        &mut self,
        known: &mut Option<Handle>,
        key: impl FnOnce() -> Vec<u8>,
        count: u64,
        new: impl FnOnce() -> R,
    ) -> &mut R {
        let at = match *known {
            Some(at) if self.row_mut(at).is_some() => at,
            _ => self.add(&key(), 0, new).0,
        };
        *known = Some(at);
        let found = &mut self.slots[at.slot as usize];
        add(&mut found.count, count);
        let (_, row) = found.row.as_mut().expect("it is there, or was made");
        row
    }

    /// Adds to a row that was added to before; to the others when it is gone.
    pub fn again(&mut self, handle: Handle, count: u64) -> Option<&mut R> {
        let found = &mut self.slots[handle.slot as usize];
        match &mut found.row {
            Some((_, row)) if found.generation == handle.generation => {
                add(&mut found.count, count);
                Some(row)
            }
            _ => {
                add(&mut self.others.count, count);
                None
            }
        }
    }

    /// [`Self::again`], or to the others where it is not known to be this row's.
    pub fn again_if(&mut self, known: bool, handle: Handle, count: u64) -> Option<&mut R> {
        if known {
            return self.again(handle, count);
        }
        self.miss(count, false);
        None
    }

    /// Adds what belongs to a row that is not there; `recorded`: whose it is was known.
    pub fn miss(&mut self, count: u64, recorded: bool) {
        add(&mut self.others.count, count);
        if !recorded {
            add(&mut self.others.unrecorded, count);
        }
    }

    /// The row that was added to before, if it is there still.
    pub fn row_mut(&mut self, handle: Handle) -> Option<&mut R> {
        let found = &mut self.slots[handle.slot as usize];
        let (_, row) = found.row.as_mut()?;
        (found.generation == handle.generation).then_some(row)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The rows that count anything, largest count first, then by key.
    pub fn finish(self) -> (Vec<(u64, R)>, Others) {
        let (rows, others) = self.finish_with_keys();
        let rows = rows.into_iter().map(|(count, _, row)| (count, row));
        (rows.collect(), others)
    }

    /// The same with their keys.
    pub fn finish_with_keys(self) -> (Vec<Keyed<R>>, Others) {
        let slots = self.slots.into_iter().filter(|slot| slot.count > 0);
        let mut rows: Vec<_> = slots
            .filter_map(|slot| slot.row.map(|(key, row)| (slot.count, key, row)))
            .collect();
        rows.order_by(|(a, one, _), (b, other, _)| b.cmp(a).then_with(|| one.cmp(other)));
        (rows, self.others)
    }

    fn insert(&mut self, key: &[u8], row: R) -> u32 {
        if self.index.len() >= 2 * self.bound {
            self.shrink();
        }
        let row = Some((key.into(), row));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize].row = row;
                slot
            }
            None => {
                self.slots.push(Slot {
                    generation: 0,
                    count: 0,
                    row,
                });
                (self.slots.len() - 1) as u32
            }
        };
        self.index.insert(key.into(), slot);
        slot
    }

    fn shrink(&mut self) {
        let mut by_count: Vec<(u64, u32)> = self
            .index
            .values()
            .map(|slot| (self.slots[*slot as usize].count, *slot))
            .collect();
        by_count.sort_unstable();
        for (count, at) in &by_count[..by_count.len() - self.bound] {
            let slot = &mut self.slots[*at as usize];
            if let Some((key, _)) = slot.row.take() {
                self.index.remove(&key);
            }
            slot.generation = slot.generation.wrapping_add(1);
            slot.count = 0;
            add(&mut self.others.count, *count);
            self.others.dropped += 1;
            self.free.push(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_at_its_bound_counts_exactly_and_keeps_what_matters() {
        let mut table = Table::new(100);
        let mut total = 0;
        for n in 0..10_000u32 {
            table.add(&n.to_be_bytes(), 1, || n);
            // Comes in between, again and again.
            table.add(b"heavy", 3, || u32::MAX);
            total += 4;
            assert!(table.len() <= 200);
        }
        let (rows, others) = table.finish();
        assert!(others.dropped > 9_000);
        assert_eq!(rows[0], (30_000, u32::MAX));
        let counted: u64 = rows.iter().map(|(count, _)| count).sum();
        assert_eq!(counted + others.count, total);
    }

    #[test]
    fn an_old_handle_never_meets_a_new_row() {
        let mut table = Table::new(1);
        let (first, _) = table.add(b"a", 1, || 'a');
        table.add(b"b", 5, || 'b');
        table.add(b"c", 1, || 'c');
        assert_eq!(table.again(first, 10), None);
        let (rows, others) = table.finish();
        assert_eq!(rows, [(5, 'b'), (1, 'c')]);
        assert_eq!(
            others,
            Others {
                count: 11,
                unrecorded: 0,
                dropped: 1
            }
        );
    }

    #[test]
    fn a_known_row_is_the_key_s() {
        let mut table = Table::new(1);
        let mut known = None;
        for (other, count) in [(b"b", 7), (b"c", 9), (b"d", 8)] {
            *table.add_known(&mut known, || b"a".to_vec(), 1, || 'a') = 'A';
            table.add(other, count, || 'o');
        }
        let (_, row) = table.add(b"a", 1, || 'a');
        assert_eq!(*row, 'a', "it had gone for the others");
        let (rows, others) = table.finish();
        let counted: u64 = rows.iter().map(|(count, _)| count).sum();
        assert_eq!(counted + others.count, 3 + 24 + 1);
    }

    #[test]
    fn a_row_that_counts_nothing_is_not_reported() {
        let mut table = Table::new(4);
        table.add(b"a", 0, || 'a');
        assert_eq!(table.finish(), (Vec::new(), Others::default()));
    }
}
