//! Looks for literals in long texts, several parts of a text side by side.
//!
//! An automaton's next state is known only once it has been read from memory with the last one, so that a
//! processor waits some cycles at each byte. Parts that don't depend on each other wait at the same time.

use std::ops::Range;

use aho_corasick::{
    Anchored, Input, Match,
    automaton::{Automaton as _, StateID},
    dfa::{Builder, DFA},
};

/// Bytes of a part. All four are still in the nearest cache where they are looked through once more.
const PART: usize = 4 << 10;

/// Bytes of the four parts that are looked through side by side.
const BLOCK: usize = 4 * PART;

/// What looks for literals.
pub(super) struct Scan {
    automaton: DFA,
    start: StateID,
    /// How far a literal goes on behind the part that it begins in, at most.
    beyond: usize,
}

impl Scan {
    /// Of these literals, which are told by their numbers. `None` where they are too many.
    pub(super) fn new(literals: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Option<Self> {
        // Without a prefilter, the one kind of state that is special is a match.
        let automaton = Builder::new().prefilter(false).build(literals).ok()?;
        Some(Self {
            start: automaton.start_state(Anchored::No).ok()?,
            beyond: automaton.max_pattern_len().saturating_sub(1),
            automaton,
        })
    }

    /// Where the first literal is, by its end.
    pub(super) fn first(&self, text: &[u8]) -> Option<Range<usize>> {
        let mut from = 0;
        while let Some(block) = text.get(from..from + BLOCK + self.beyond) {
            if self.is_any(block) {
                break;
            }
            from += BLOCK;
        }
        // None begins before.
        let rest = Input::new(text).range(from..);
        let found = self.automaton.try_find(&rest).ok()??;
        Some(found.range())
    }

    /// Every literal in the text, also where one is part of another.
    pub(super) fn all<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Match> + 'a {
        let all = self.automaton.try_find_overlapping_iter(Input::new(text));
        all.into_iter().flatten()
    }

    /// Whether a literal begins in the block, which is followed by what may end one.
    fn is_any(&self, block: &[u8]) -> bool {
        let part = |number: usize| block[number * PART..][..PART + self.beyond].iter();
        let next = |state, byte: &u8| self.automaton.next_state(Anchored::No, state, *byte);
        let is_special = |state| self.automaton.is_special(state);
        let (mut a, mut b, mut c, mut d) = (self.start, self.start, self.start, self.start);
        let bytes = part(0).zip(part(1)).zip(part(2)).zip(part(3));
        for (((of_a, of_b), of_c), of_d) in bytes {
            a = next(a, of_a);
            b = next(b, of_b);
            c = next(c, of_c);
            d = next(d, of_d);
            if is_special(a) | is_special(b) | is_special(c) | is_special(d) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LITERALS: [&str; 4] = ["fork: retry", "fork:", "retry: No", "\u{1b}["];
    /// How much of each there is when the first literal ends.
    const FIRST: [usize; 4] = [5, 5, 9, 2];

    fn scan() -> Scan {
        Scan::new(LITERALS).unwrap()
    }

    #[test]
    fn a_literal_is_found_wherever_a_part_ends() {
        let scan = scan();
        for part in 0..9 {
            for shift in 0..2 * scan.beyond + 4 {
                let at = (part * PART + shift).saturating_sub(scan.beyond + 2);
                for (literal, first) in LITERALS.into_iter().zip(FIRST) {
                    let mut text = vec![b'r'; 2 * BLOCK + 100];
                    text[at..at + literal.len()].copy_from_slice(literal.as_bytes());
                    assert_eq!(scan.first(&text), Some(at..at + first), "{literal}");
                    text.truncate(at + first);
                    assert_eq!(scan.first(&text), Some(at..at + first), "{literal}");
                    text.truncate(at + first - 1);
                    assert_eq!(scan.first(&text), None, "{at} {literal}, cut");
                }
            }
        }
    }

    #[test]
    fn of_several_the_first_is_found() {
        let scan = scan();
        let places = [
            0,
            5,
            PART - 3,
            PART + 7,
            2 * PART,
            3 * PART + 1,
            BLOCK - 2,
            BLOCK + PART,
        ];
        for one in places {
            for other in places.into_iter().filter(|other| other.abs_diff(one) > 10) {
                let mut text = vec![b'.'; 2 * BLOCK];
                text[one..one + 5].copy_from_slice(b"fork:");
                text[other..other + 9].copy_from_slice(b"retry: No");
                let first = match one < other {
                    true => one..one + 5,
                    false => other..other + 9,
                };
                assert_eq!(scan.first(&text), Some(first), "{one} {other}");
            }
        }
        assert_eq!(scan.first(&vec![b'.'; 3 * BLOCK]), None);
        assert_eq!(scan.first(b""), None);
    }

    #[test]
    fn literals_within_others_are_all_told() {
        let scan = scan();
        let all = scan.all(b"bash: fork: retry: No child processes");
        let mut numbers: Vec<usize> = all.map(|found| found.pattern().as_usize()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2]);
    }
}
