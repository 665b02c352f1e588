//! The advice that the failures of one limit had: one of each wording, whatever numbers stand in it.
//!
//! What a single failure proposes isn't all that is to know: who fills the limit is counted every few
//! seconds only, and the notes that rest on it (zombies, idle connections) come with those failures
//! alone.

use std::hash::{BuildHasher as _, Hasher as _};

use foldhash::{HashSet, quality::FixedState};

use super::{
    list::{Kept, List},
    when::When,
};
use crate::{
    model::{Fix, wording},
    order::Order as _,
};

/// Wordings that are kept of a limit.
const WORDINGS: usize = 8;

/// Parts that are told of a limit: limits that were full as well have some of their own.
const FIXES: usize = 24;

impl Wording {
    /// Takes it where it is of higher numbers, or a later failure's of the same.
    fn again(&mut self, fixes: List<'_, Fix>, at: (Option<u64>, Option<u64>), when: When) {
        if self.same(at, when) {
            self.fixes.replace(fixes);
        }
    }

    /// The same, of what it has already; whether it is taken.
    fn same(&mut self, at: (Option<u64>, Option<u64>), when: When) -> bool {
        if self.at > at || (self.at == at && !when.is_latest(self.latest)) {
            return false;
        }
        self.at = at;
        self.latest = when;
        true
    }
}

/// Advice by wording.
#[derive(Clone, Default)]
pub(super) struct Advised(Vec<Wording>);

#[derive(Clone)]
struct Wording {
    shape: u64,
    /// The limit's value and use where it was highest: an advice above these is above the others.
    at: (Option<u64>, Option<u64>),
    latest: When,
    fixes: Kept<Fix>,
}

impl Advised {
    /// Takes a failure's.
    pub(super) fn take(
        &mut self,
        fixes: List<'_, Fix>,
        at: (Option<u64>, Option<u64>),
        when: When,
    ) {
        // As the row had it before: nothing to tell apart.
        let same = self.0.iter().position(|wording| wording.fixes.is(fixes));
        if let Some(known) = same {
            self.0[known].same(at, when);
            return;
        }
        let shape = match fixes {
            List::Json(json) => wording(json),
            List::Of(fixes) => shape_of(fixes),
        };
        let known = self.0.iter().position(|wording| wording.shape == shape);
        if known.is_none() && self.0.len() >= WORDINGS {
            return;
        }
        let place = known.unwrap_or_else(|| {
            self.0.push(Wording {
                shape,
                at,
                latest: When::default(),
                fixes: Kept::default(),
            });
            self.0.len() - 1
        });
        self.0[place].again(fixes, at, when);
    }

    /// What the failure with the highest numbers proposed, and then what others did beside. Where the
    /// refused process or its parent had ended before it was looked at, who set the limit isn't known:
    /// what is said then is left out if others knew.
    pub(super) fn into_fixes(self) -> Vec<Fix> {
        let mut wordings = self.0;
        let last = |wording: &Wording| wording.latest.get().map(|(_, last)| last);
        wordings.order_by_key(|wording| std::cmp::Reverse((wording.at, last(wording))));
        let mut known = HashSet::default();
        let mut new = |part: Option<String>| part.filter(|part| known.insert(wording(part)));
        let all: Vec<Vec<Fix>> = wordings.into_iter().map(|w| w.fixes.into_items()).collect();
        // The cause's own way out is the first of each.
        let known_to_some = all
            .iter()
            .filter_map(|fixes| fixes.first())
            .any(|own| own.persistent.is_some() && !own.is_vague());
        let without_vague = all.into_iter().flat_map(|mut fixes| {
            if let Some(own) = fixes
                .first_mut()
                .filter(|own| known_to_some && own.is_vague())
            {
                own.persistent = None;
            }
            fixes
        });
        let fixes = without_vague.map(|fix| Fix {
            now: new(fix.now),
            persistent: new(fix.persistent),
            note: new(fix.note),
        });
        let something = |fix: &Fix| {
            [&fix.now, &fix.persistent, &fix.note]
                .into_iter()
                .any(Option::is_some)
        };
        fixes.filter(something).take(FIXES).collect()
    }
}

fn shape_of(fixes: &[Fix]) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    for fix in fixes {
        for part in [&fix.now, &fix.persistent, &fix.note] {
            let part = part.as_deref().unwrap_or_default();
            hasher.write_u64(wording(part));
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fix(now: &str, note: Option<&str>) -> Fix {
        Fix {
            now: Some(now.to_owned()),
            persistent: None,
            note: note.map(str::to_owned),
        }
    }

    fn when(second: u32) -> When {
        let time = format!("2026-01-01T00:00:{second:02}Z");
        When::parse(&time, &time)
    }

    #[test]
    fn every_note_is_kept_and_the_highest_numbers_come_first() {
        let mut advised = Advised::default();
        let failures = [
            (fix("echo 24 > f", Some("6 of the 12 wait")), (12, 12)),
            (fix("echo 120 > f", None), (60, 60)),
            (fix("echo 40 > f", None), (20, 20)),
            (fix("echo 38 > f", Some("7 of the 13 wait")), (13, 19)),
        ];
        for (n, (fix, (value, usage))) in failures.iter().enumerate() {
            let list = std::slice::from_ref(fix);
            advised.take(List::Of(list), (Some(*value), Some(*usage)), when(n as u32));
        }
        let mut json = advised.clone();
        let fixes = advised.into_fixes();
        assert_eq!(fixes[0], fix("echo 120 > f", None));
        let notes: Vec<_> = fixes.iter().filter_map(|fix| fix.note.as_deref()).collect();
        assert_eq!(notes, ["7 of the 13 wait"]);
        assert_eq!(fixes.len(), 2);
        assert_eq!(fixes[1].now, None);
        for n in 0..100 {
            let letters = format!("{n:b}").replace('0', "a").replace('1', "b");
            let other = [fix(&letters, None)];
            json.take(List::Of(&other), (None, None), when(9));
        }
        assert!(json.into_fixes().len() <= WORDINGS);
    }

    #[test]
    fn a_long_way_up_is_told_whole() {
        let mut advised = Advised::default();
        let note = |note: &str| Fix {
            now: None,
            persistent: None,
            note: Some(note.to_owned()),
        };
        let mut steps = Vec::new();
        for path in [
            "/a/b/c/d/e/f",
            "/a/b/c/d/e",
            "/a/b/c/d",
            "/a/b/c",
            "/a/b",
            "/a",
        ] {
            steps.push(note(&format!("then pids.max of {path}:")));
            steps.push(fix(&format!("echo 10 > {path}/pids.max"), None));
        }
        advised.take(List::Of(&steps), (Some(1), Some(1)), when(1));
        assert_eq!(advised.into_fixes(), steps);
    }

    #[test]
    fn who_set_it_counts_more_than_that_somebody_did() {
        let lasting = |text: &str| Fix {
            now: None,
            persistent: Some(text.to_owned()),
            note: None,
        };
        let vague = lasting("raise `ulimit -u` where uid 5's processes are started");
        let known = lasting("the limit was set in process 7 (bash)");
        let told = |all: &[&Fix]| {
            let mut advised = Advised::default();
            for (n, fix) in all.iter().enumerate() {
                let at = (Some(9), Some(9 + n as u64));
                advised.take(List::Of(std::slice::from_ref(*fix)), at, when(n as u32));
            }
            advised.into_fixes()
        };
        assert_eq!(told(&[&known, &vague]), std::slice::from_ref(&known));
        assert_eq!(told(&[&vague, &known]), std::slice::from_ref(&known));
        assert_eq!(told(&[&vague]), [vague]);
        // Both have set it, for those that each has started.
        let other = lasting("slurm.conf: PropagateResourceLimitsExcept=NPROC");
        assert_eq!(told(&[&known, &other]).len(), 2);
    }
}
