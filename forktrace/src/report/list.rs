//! The lists of a record that a report keeps: of a line they stay JSON until the end, for nearly
//! every one is replaced by the next.

use serde::de::DeserializeOwned;

use crate::model::{Fix, Holder};

/// Bytes of a list that are kept. forktrace's take a tenth.
const LONGEST: usize = 16 * 1024;

/// A list of a record that is read.
pub(super) enum List<'a, T> {
    /// As it stands in a line.
    Json(&'a str),
    /// A record that is no line.
    Of(&'a [T]),
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

/// A list that is kept.
#[derive(Clone)]
pub(super) enum Kept<T> {
    Json(Vec<u8>),
    Of(Vec<T>),
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self::Json(Vec::new())
    }
}

impl<T: Item> Kept<T> {
    /// Keeps this list instead; none where it is longer than any of forktrace's. One allocation for
    /// the whole run, nearly always.
    pub(super) fn replace(&mut self, list: List<'_, T>) {
        // A report takes lines or records, and hardly ever both.
        match (&*self, list) {
            (Self::Of(_), List::Json(_)) => *self = Self::Json(Vec::new()),
            (Self::Json(_), List::Of(_)) => *self = Self::Of(Vec::new()),
            _ => {}
        }
        match (self, list) {
            (Self::Json(json), List::Json(new)) => {
                json.clear();
                if new.len() <= LONGEST {
                    json.extend_from_slice(new.as_bytes());
                }
            }
            (Self::Of(items), List::Of(new)) => {
                items.clear();
                if new.iter().map(Item::bytes).sum::<usize>() <= LONGEST {
                    items.extend_from_slice(new);
                }
            }
            _ => {}
        }
    }

    /// Whether it is this list.
    pub(super) fn is(&self, list: List<'_, T>) -> bool {
        match (self, list) {
            (Self::Json(json), List::Json(other)) => json.as_slice() == other.as_bytes(),
            (Self::Of(items), List::Of(others)) => items == others,
            _ => false,
        }
    }

    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Json(json) => json.len() <= "[]".len(),
            Self::Of(items) => items.is_empty(),
        }
    }

    /// The list; empty where it can't be read.
    pub(super) fn into_items(self) -> Vec<T> {
        match self {
            Self::Json(json) => serde_json::from_slice(&json).unwrap_or_default(),
            Self::Of(items) => items,
        }
    }
}

/// What stands in such a list.
pub(super) trait Item: Clone + PartialEq + DeserializeOwned {
    /// How much memory it takes, about.
    fn bytes(&self) -> usize;
}

impl Item for Fix {
    fn bytes(&self) -> usize {
        let parts = [&self.now, &self.persistent, &self.note];
        size_of::<Self>() + parts.into_iter().flatten().map(String::len).sum::<usize>()
    }
}

impl Item for Holder {
    fn bytes(&self) -> usize {
        let detail = self.detail.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.kind.name().len() + self.name.len() + detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(note: &str) -> Fix {
        Fix {
            now: None,
            persistent: None,
            note: Some(note.to_owned()),
        }
    }

    #[test]
    fn a_line_s_list_and_a_record_s_are_the_same_in_the_end() {
        let fixes = [fix("a"), fix("b")];
        let json = serde_json::to_string(&fixes).unwrap();
        let mut kept = Kept::default();
        assert!(kept.is_empty());
        for list in [List::Json(&json), List::Of(&fixes), List::Json(&json)] {
            kept.replace(list);
            assert!(!kept.is_empty());
            assert_eq!(kept.clone().into_items(), fixes);
        }
        for list in [List::Json("[]"), List::Of(&[])] {
            kept.replace(list);
            assert!(kept.is_empty());
            assert_eq!(kept.clone().into_items(), []);
        }
    }

    #[test]
    fn a_strange_list_is_not_kept() {
        let long = [fix(&"x".repeat(LONGEST))];
        let json = serde_json::to_string(&long).unwrap();
        let mut kept = Kept::default();
        for list in [List::Json(&json), List::Of(&long)] {
            kept.replace(list);
            assert!(kept.is_empty());
        }
    }
}
