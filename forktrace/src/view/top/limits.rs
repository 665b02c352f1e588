//! The limits, a line each.

use std::{cmp::Ordering, collections::HashSet};

use super::plain;
use crate::{
    headroom::{Row, Trend},
    model::{Cause, Holder, Limit, amount},
    order::Order as _,
    record::Failure,
    view::report::duration,
};

/// Limits of a recording that are kept.
const RECORDED: usize = 512;

/// A limit.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// "pids.max of /a", harmless.
    pub title: String,
    pub cause: Cause,
    pub limit: Limit,
    /// How full, in percent.
    pub percent: f64,
    pub trend: Option<Trend>,
    /// Unit, container, pod or user, harmless.
    pub owner: Option<String>,
    pub holders: Vec<Holder>,
    /// It applies to nobody here.
    pub exempt: bool,
    /// `None` of a recording.
    pub row: Option<Box<Row>>,
    /// What the filter looks at.
    pub all_words: String,
}

/// By what lines are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    #[default]
    Fullness,
    /// Those that are full first, first.
    FullIn,
    Name,
}

impl Sort {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Fullness => Self::FullIn,
            Self::FullIn => Self::Name,
            Self::Name => Self::Fullness,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Fullness => "fullest first",
            Self::FullIn => "full soonest first",
            Self::Name => "by name",
        }
    }
}

impl Line {
    pub(super) fn of(row: Row, trend: Option<Trend>) -> Self {
        let owner = row.owner.as_deref().map(plain);
        let mut line = Self::new(&row.limit, row.cause, row.percent.unwrap_or(0.0));
        line.all_words
            .push_str(&format!(" {}", owner.as_deref().unwrap_or_default()));
        Self {
            trend,
            owner,
            holders: row.holders.clone(),
            exempt: row.exempt.is_some(),
            row: Some(Box::new(row)),
            ..line
        }
    }

    fn new(limit: &Limit, cause: Cause, percent: f64) -> Self {
        let title = plain(&limit.title());
        Self {
            all_words: format!("{title} {}", cause.id()),
            title,
            cause,
            limit: limit.clone(),
            percent,
            trend: None,
            owner: None,
            holders: Vec::new(),
            exempt: false,
            row: None,
        }
    }

    /// "58/60".
    pub(super) fn used(&self) -> String {
        let of = |n: Option<u64>| n.map_or_else(|| "?".to_owned(), |n| amount(n, self.limit.unit));
        format!("{}/{}", of(self.limit.usage), of(self.limit.bound()))
    }

    /// "full in 4 min", "+2.1/s", nothing where it stands still.
    pub(super) fn trend(&self) -> String {
        let Some(trend) = self.trend else {
            return String::new();
        };
        if let Some(time) = trend.full_in {
            return format!("full in {}", duration(time.as_secs().max(1)));
        }
        let (per, each) = match trend.per_second.abs() {
            a if a < 0.005 => return String::new(),
            a if a < 0.5 => (trend.per_second * 60.0, "min"),
            _ => (trend.per_second, "s"),
        };
        let sign = if per < 0.0 { '-' } else { '+' };
        format!(
            "{sign}{}/{each}",
            amount(per.abs().round() as u64, self.limit.unit)
        )
    }

    /// Whether it fills up steadily.
    pub(super) fn fills(&self) -> bool {
        self.trend.is_some_and(|trend| trend.full_in.is_some())
    }
}

pub(super) fn sort(lines: &mut [&Line], by: Sort) {
    let full_in = |line: &Line| line.trend.and_then(|trend| trend.full_in);
    lines.order_by(|a, b| {
        let first = match by {
            Sort::Fullness => Ordering::Equal,
            Sort::FullIn => match (full_in(a), full_in(b)) {
                (Some(a), Some(b)) => a.cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => Ordering::Equal,
            },
            Sort::Name => a.title.cmp(&b.title),
        };
        first
            .then(a.exempt.cmp(&b.exempt))
            .then(b.percent.total_cmp(&a.percent))
            .then_with(|| a.title.cmp(&b.title))
    });
}

/// Takes what a failure says of the limit that refused and of the others.
pub(super) fn take_recorded(lines: &mut Vec<Line>, failure: &Failure) {
    let named = failure.limit.iter().chain(&failure.candidates);
    let mut seen = HashSet::new();
    for limit in named {
        let Some(percent) = fullness(limit) else {
            continue;
        };
        let refused = failure
            .limit
            .as_ref()
            .is_some_and(|own| std::ptr::eq(own, limit));
        let cause = if refused {
            failure.cause
        } else {
            Cause::of_limit(&limit.kind)
        };
        let mut line = Line::new(limit, cause, percent);
        if !seen.insert(line.title.clone()) {
            continue;
        }
        if refused {
            line.holders.clone_from(&failure.holders);
            line.owner = failure.cgroup.unit.as_deref().map(plain);
        }
        match lines.iter().position(|known| known.title == line.title) {
            Some(at) => {
                if line.holders.is_empty() {
                    line.holders = std::mem::take(&mut lines[at].holders);
                }
                lines[at] = line;
            }
            None if lines.len() < RECORDED => lines.push(line),
            None => {}
        }
    }
}

fn fullness(limit: &Limit) -> Option<f64> {
    let (bound, usage) = (limit.bound()?, limit.usage?);
    match bound {
        0 => Some(100.0),
        _ => Some(usage as f64 / bound as f64 * 100.0),
    }
}
