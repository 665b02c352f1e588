//! How full limits were over time: a picture of the worst of each kind, and the others folded away.

use std::collections::HashSet;

use maud::{Markup, html};

use super::{html::Foreign, plot, words::amount};
use crate::{
    model::kin_within,
    report::{Fullness, LimitRow, Report},
};

/// Pictures that are there at once.
const OPEN: usize = 6;
/// With those that are folded away.
const DRAWN: usize = 24;

/// A limit whose use is known.
type Known<'a> = (&'a LimitRow, &'a Fullness);

pub(super) fn fullness(r: &Report) -> Markup {
    let rows = r.limits.rows.iter();
    let known = rows.filter_map(|row| Some((row, row.fullness.as_ref()?)));
    let (open, mut others) = worst_of_each(known);
    let left_out = (open.len() + others.len()).saturating_sub(DRAWN);
    others.truncate(DRAWN - open.len());
    html! {
        @if !open.is_empty() {
            section {
                h2 { "How full limits were" }
                p .dim {
                    "At refusals: what was in use (bars), and the limit (lines)."
                    @if !others.is_empty() { " Of each kind the limit with the most failures." }
                }
                (pictures(r, &open))
                @if !others.is_empty() {
                    details .folded {
                        summary {
                            (others.len()) " more"
                            @if left_out > 0 { ", of " (others.len() + left_out) }
                        }
                        (pictures(r, &others))
                    }
                }
            }
        }
    }
}

/// The first of each kind, and all others: the same limit on many hosts would be one picture many times.
fn worst_of_each<'a>(known: impl Iterator<Item = Known<'a>>) -> (Vec<Known<'a>>, Vec<Known<'a>>) {
    let mut kinds = HashSet::new();
    known.partition(|(row, _)| {
        let within = row.within.as_deref();
        let owner = row.scope.as_ref().map(|scope| kin_within(scope, within));
        kinds.len() < OPEN && kinds.insert((&row.name, owner))
    })
}

fn pictures(r: &Report, known: &[Known<'_>]) -> Markup {
    html! {
        div .small {
            @for (row, fullness) in known {
                figure {
                    figcaption {
                        (Foreign(&row.title())) " "
                        @if r.hosts.len() > 1 { span .dim { (Foreign(&row.host)) } }
                    }
                    (plot::fullness(fullness, |n| amount(Some(n), row.unit)))
                }
            }
        }
    }
}
