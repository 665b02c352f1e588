//! Making rows, and their order.

use super::{Refuses, Row};
use crate::{
    model::{Cause, Limit, LimitKind, Owner, Unit},
    order::Order as _,
};

/// A limit without more than its numbers; `value` `None`: no limit is set.
pub(super) fn limit(
    kind: LimitKind,
    owner: Owner,
    value: Option<u64>,
    usage: Option<u64>,
    unit: Unit,
) -> Limit {
    Limit {
        value,
        usage,
        ..Limit::new(kind, owner, unit)
    }
}

/// A row of a limit that applies.
pub(super) fn row(refuses: Refuses, limit: Limit) -> Row {
    let mut row = Row {
        cause: Cause::of_limit(&limit.kind),
        limit,
        refuses,
        percent: None,
        reclaimable: None,
        next: None,
        below: false,
        exempt: None,
        owner: None,
        full_in_seconds: None,
        holders: Vec::new(),
        counts: None,
        notes: Vec::new(),
    };
    fill(&mut row);
    row
}

/// Its percentage, from its numbers.
pub(super) fn fill(row: &mut Row) {
    let limit = &row.limit;
    row.percent = limit.bound().map(|bound| {
        let used = limit
            .usage
            .unwrap_or(0)
            .saturating_sub(row.reclaimable.unwrap_or(0));
        // One more task is nothing beside the percentage; a copy of an address
        // space is.
        let asked = match limit.unit {
            Unit::Bytes => limit.requested.unwrap_or(0),
            _ => 0,
        };
        percent(used.saturating_add(asked), bound)
    });
}

/// With one decimal, rounded down: 100 is full. A limit of 0 is.
fn percent(used: u64, bound: u64) -> f64 {
    if bound == 0 {
        return 100.0;
    }
    (used as f64 / bound as f64 * 1000.0).floor() / 10.0
}

pub(super) fn is_near(row: &Row, warn: f64) -> bool {
    row.exempt.is_none() && row.percent.is_some_and(|percent| percent >= warn)
}

/// Sorts rows; limits that don't apply come last, however full.
pub(super) fn nearest_first(rows: &mut [Row]) {
    rows.order_by(|a, b| {
        let key = |row: &Row| row.percent.unwrap_or(0.0);
        a.exempt
            .is_some()
            .cmp(&b.exempt.is_some())
            .then(key(b).total_cmp(&key(a)))
            .then_with(|| a.limit.owner.to_string().cmp(&b.limit.owner.to_string()))
    });
}
