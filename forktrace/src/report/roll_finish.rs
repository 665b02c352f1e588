//! The sums over all hosts, from what was counted.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use super::{
    document::{LimitRow, Sample, Top},
    finish::{cut, limit_row, sum},
    rolled::{Heat, HeatRow, KinRow, RollRow, Rolled, Worst},
    rollup::{RollState, Rollup},
    rows::{LimitState, Which},
    table::{Others, Table},
    timeline::Timeline,
};
use crate::{model::Cause, order::Order as _};

/// Limits by kind.
struct Kinds<'a> {
    of: HashMap<&'a str, Vec<&'a (u64, LimitState)>>,
    known: Known,
}

/// What is known of limits.
#[derive(Clone, Copy)]
pub(super) struct Known {
    /// All are in their table.
    pub all: bool,
    /// How many there are.
    pub count: bool,
}

/// `limits` are all that the table holds, the most failures first.
pub(super) fn finish(
    rollup: Rollup,
    limits: &[(u64, LimitState)],
    known: Known,
    rows: usize,
    kinds_shown: usize,
) -> (Rolled, Vec<Sample>) {
    let mut kinds = Kinds {
        of: HashMap::new(),
        known,
    };
    for limit in limits {
        kinds.of.entry(&limit.1.kin).or_default().push(limit);
    }
    let Rollup {
        limits,
        programs,
        users,
        units,
        pods,
        hosts,
        causes,
        heat,
        ..
    } = rollup;
    let heat = heatmap(&heat, &hosts, rows);
    let hosts = hosts.into_iter().filter(|(_, count, _)| *count > 0);
    let mut hosts: Vec<_> = hosts
        .map(|(name, count, state)| RollRow {
            name: Some(name.to_string()).filter(|name| !name.is_empty()),
            ..row((count, state))
        })
        .collect();
    let causes = causes
        .into_order()
        .into_iter()
        .map(|(cause, state)| RollRow {
            name: cause.map(|cause| cause.id().to_owned()),
            ..row((sum(state.causes.values().copied()), state))
        });
    let mut causes: Vec<_> = causes.filter(|row| row.failures > 0).collect();
    for rows in [&mut hosts, &mut causes] {
        rows.order_by(|a, b| (b.failures, &a.name).cmp(&(a.failures, &b.name)));
    }
    let failures = |row: &RollRow| row.failures;
    let mut samples = Vec::new();
    let rolled = Rolled {
        limits: kin(limits, &kinds, kinds_shown, &mut samples),
        causes: cut(causes, Others::default(), rows, failures),
        hosts: cut(hosts, Others::default(), rows, failures),
        units: top(units, rows),
        pods: top(pods, rows),
        users: top(users, rows),
        programs: top(programs, rows),
        heat,
    };
    (rolled, samples)
}

fn top(table: Table<RollState>, rows: usize) -> Top<RollRow> {
    let (all, others) = table.finish();
    cut(all, others, rows, |(count, _)| *count).map(row)
}

fn row((failures, state): (u64, RollState)) -> RollRow {
    let (cause, of_cause) = mostly(&state);
    RollRow {
        name: state.name,
        called: None,
        user: state.user,
        failures,
        hosts: state.hosts.len(),
        cause,
        of_cause,
        first: state.when.first(),
        last: state.when.last(),
    }
}

fn mostly(state: &RollState) -> (Option<Cause>, u64) {
    let causes = state.causes.in_order().into_iter();
    let most = causes.rev().max_by_key(|(_, count)| **count);
    most.map_or((None, 0), |(cause, count)| (cause, *count))
}

fn kin(
    table: Table<RollState>,
    kinds: &Kinds<'_>,
    rows: usize,
    samples: &mut Vec<Sample>,
) -> Top<KinRow> {
    // The key is the kind's; the row itself has none.
    let (all, others) = table.finish_with_keys();
    // A kind that had to go, and came again, has lost its numbers.
    let counted = kinds.known.count && others.dropped == 0;
    let top = cut(all, others, rows, |(count, ..)| *count);
    top.map(|(failures, key, mut state)| {
        samples.extend(
            state
                .samples
                .take()
                .map_or_else(Vec::new, |kept| kept.finish()),
        );
        let key = String::from_utf8_lossy(&key);
        let of = kinds.of.get(&*key).map_or(&[][..], |of| of);
        let (name, scope) = LimitState::kin_parts(&key);
        let values = || {
            let here = of.iter().flat_map(|(_, limit)| limit.values_seen());
            here.chain(state.lowest_value).chain(state.highest_value)
        };
        let usages = of.iter().filter_map(|(_, limit)| limit.highest);
        let worst = of.first().map(|first| limit_row((*first).clone()));
        let unit = worst.as_ref().and_then(|row| row.unit);
        KinRow {
            failures,
            cause: mostly(&state).0,
            name: name.map(str::to_owned),
            scope: match of {
                // Of one owner the whole name.
                [one, rest @ ..]
                    if kinds.known.all && rest.iter().all(|other| other.1.limit == one.1.limit) =>
                {
                    one.1.limit.as_ref().map(Which::owner)
                }
                _ => scope.map(str::to_owned),
            },
            hosts: state.hosts.len(),
            limits: match kinds.known.all {
                true => Some(of.len() as u64),
                false => counted.then_some(state.limits),
            },
            unit,
            lowest_value: values().min(),
            highest_value: values().max(),
            highest_usage: usages.chain(state.highest_usage).max(),
            worst: worst.map(worst_of),
            first: state.when.first(),
            last: state.when.last(),
        }
    })
}

fn worst_of(row: LimitRow) -> Worst {
    let scope = row.owner().map(Cow::into_owned);
    Worst {
        failures: row.failures,
        host: row.host,
        scope,
        fix: row.fix,
        more_fixes: row.more_fixes,
        holders: row.holders,
    }
}

fn heatmap(heat: &Timeline<u32>, hosts: &[(Arc<str>, u64, RollState)], rows: usize) -> Heat {
    let mut series: Vec<_> = heat.series().into_iter().collect();
    let total = |host: &u32| hosts[*host as usize].1;
    series.order_by(|(a, _), (b, _)| (total(b), a).cmp(&(total(a), b)));
    let buckets = series.first().map_or(0, |(_, counts)| counts.len());
    let mut others = vec![0u64; buckets];
    let more = series.split_off(series.len().min(rows));
    for (_, counts) in &more {
        for (sum, n) in others.iter_mut().zip(counts) {
            *sum = sum.saturating_add(*n);
        }
    }
    let rows = series.into_iter().map(|(host, counts)| HeatRow {
        host: hosts[host as usize].0.to_string(),
        counts,
    });
    Heat {
        start: heat.start().map(|start| start.to_string()),
        bucket_seconds: heat.width(),
        hosts: rows.collect(),
        others: if more.is_empty() { Vec::new() } else { others },
        other_hosts: more.len() as u64,
    }
}
