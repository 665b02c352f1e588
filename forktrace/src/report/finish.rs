//! The report, from what was counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::{
    Aggregator,
    bursts::{self, Bursts},
    counts::{add, certainty, operation},
    document::{
        Advice, BurstRow, CallerRow, CauseCount, CgroupRow, Count, DamageCount, HostRow, LimitRow,
        OwnerRow, Report, Series, SessionRow, TimelineRow, Top, Totals, ValueCount,
    },
    few::Few,
    roll_finish,
    rolled::{Asked, KinRow, Rolled},
    rows::{CallerState, LimitState},
    session::Followed,
    table::{Others, Table},
    timeline::Timeline,
    when::When,
};
use crate::{
    model::{Cause, amount},
    order::Order as _,
};

/// Rows of each table that are reported.
const ROWS: usize = 100;
/// Bursts that are reported.
const BURSTS: usize = 10;
/// Things to do that are reported.
const ADVICE: usize = 5;

impl Aggregator {
    /// Ends the counting.
    pub fn finish(self) -> Report {
        self.finish_as(Asked::default())
    }

    /// The same, with as many rows as are asked for.
    pub fn finish_as(mut self, asked: Asked) -> Report {
        let shown = asked.top.unwrap_or(ROWS);
        for (at, waiting) in self.sessions.still_waiting() {
            self.unknown(at, waiting);
        }
        let filtered = self.wanted.is_active();
        let all = &self.sessions.all;
        let sessions: Vec<_> = all.iter().map(|s| session(s, filtered)).collect();
        let (limits, limits_others) = self.limits.finish();
        let known = roll_finish::Known {
            all: limits_others.dropped == 0,
            count: self.distinct.is_exact(),
        };
        let (mut rolled, samples) =
            roll_finish::finish(self.rollup, &limits, known, shown, shown.max(ADVICE));
        let limits = cut(limits, limits_others, shown.max(ADVICE), |(count, _)| {
            *count
        });
        let mut limits = limits.map(limit_row);
        let advice = advised(&limits, &rolled, hosts(all).len());
        limits.keep(shown, |row| row.failures);
        rolled.limits.keep(shown, |row| row.failures);
        // All that the table holds, before it is cut to what is reported.
        let (cgroups, others) = self.cgroups.finish();
        let cgroups: Vec<_> = cgroups.into_iter().map(cgroup_row).collect();
        let owners = |name: fn(&CgroupRow) -> Option<&String>| owners(&cgroups, name);
        let called = called(&cgroups);
        for row in &mut rolled.pods.rows {
            let name = row.name.as_ref().and_then(|uid| called.get(uid));
            row.called = name.cloned();
        }
        let mut pods = owners(|row| row.pod.as_ref());
        for row in &mut pods {
            row.called = called.get(&row.name).cloned();
        }
        Report {
            report: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            files: self.files,
            filtered,
            left_out: self.left_out,
            damage: DamageCount {
                unreadable: self.damage.unreadable,
                torn_bytes: self.damage.torn_bytes,
                bad_frames: self.damage.bad_frames,
                lost_lines: self.damage.lost_lines,
                open_frames: self.damage.open_frames,
                refused_frames: self.damage.refused_frames,
                largest_window: self.damage.largest_window,
            },
            totals: Totals {
                only_in_summaries: sum(sessions.iter().map(|s| s.only_in_summary)),
                again: self.again,
                again_exact: self.sessions.shared == 0 && self.once.is_none_or(|once| !once.more),
                ..totals(&self.counts, &self.timeline, all)
            },
            advice,
            causes: causes(&self.counts),
            errnos: by_count(
                self.counts
                    .errnos
                    .iter()
                    .map(|(e, n)| (e.name().into_owned(), *n)),
            ),
            operations: by_count(named(&self.counts.operations, operation)),
            certainties: by_count(named(&self.counts.certainties, certainty)),
            limits,
            callers: callers(self.callers, shown, &ends(all)),
            units: owners(|row| row.unit.as_ref()),
            containers: owners(|row| row.container.as_ref()),
            pods,
            cgroups: cut(cgroups, others, shown, |row| row.failures),
            rolled,
            samples,
            asked,
            timeline: timeline(&self.timeline),
            burst_gap_seconds: bursts::GAP_SECONDS.unsigned_abs(),
            oom: self.oom.finish(),
            losses: by_count(self.counts.losses.into_iter()),
            hosts: hosts(all),
            ..bursts(self.bursts, all)
        }
        .with_sessions(sessions, self.sessions.shared)
    }
}

impl Report {
    /// The last of the sessions is that of all that had no room, if any had.
    fn with_sessions(mut self, mut sessions: Vec<SessionRow>, shared: u64) -> Self {
        if shared > 0 {
            sessions.pop();
        }
        sessions.order_by(|a, b| (&a.host, &a.started).cmp(&(&b.host, &b.started)));
        self.sessions = sessions;
        self.more_sessions = shared;
        self
    }
}

pub(super) fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::saturating_add)
}

fn totals(
    counts: &super::counts::Counts,
    timeline: &Timeline<Option<Cause>>,
    all: &[Followed],
) -> Totals {
    let mut when = When::default();
    for session in all {
        when.cover(session.when);
    }
    let killed = all.iter().filter_map(|s| s.summary.as_ref());
    Totals {
        failures: counts.failures(),
        told: counts.in_full,
        repeated: counts.repeated,
        cause_not_here: counts.of_unknown.count,
        lost: counts.lost.count,
        only_in_summaries: 0,
        unjudged: counts.unjudged,
        again: 0,
        again_exact: true,
        skipped_at_most: counts.skipped,
        killed: sum(killed.map(|s| s.killed)),
        without_time: timeline.without_time(),
        first: when.first(),
        last: when.last(),
    }
}

fn session(s: &Followed, filtered: bool) -> SessionRow {
    let mut row = SessionRow {
        host: s.host.to_string(),
        failures: s.failures,
        first: s.when.first(),
        last: s.when.last(),
        lost_lines: s.lost_lines,
        unsure: s.unsure,
        ..SessionRow::default()
    };
    if let Some(about) = &s.about {
        row.boot_id.clone_from(&about.boot_id);
        row.kernel.clone_from(&about.kernel);
        row.attach.clone_from(&about.attach);
        row.version.clone_from(&about.version);
        row.started = Some(about.started.clone());
    }
    if let Some(summary) = &s.summary {
        row.ended = Some(super::rows::clip(&summary.ended).to_owned());
        // With filters it counts what isn't wanted.
        if !filtered {
            row.missing = summary.failures.saturating_sub(s.failures);
            row.too_many = s.failures.saturating_sub(summary.failures);
            row.only_in_summary = summary.lost.saturating_sub(s.lost).min(row.missing);
        }
    }
    row
}

fn hosts(all: &[Followed]) -> Vec<HostRow> {
    let mut hosts: BTreeMap<&str, (HostRow, When, HashSet<&str>)> = BTreeMap::new();
    for session in all {
        let (row, when, boots) = hosts.entry(&session.host).or_default();
        row.sessions += 1;
        add(&mut row.failures, session.failures);
        when.cover(session.when);
        boots.extend(
            session
                .about
                .as_ref()
                .and_then(|about| about.boot_id.as_deref()),
        );
    }
    let rows = hosts.into_iter().map(|(host, (row, when, boots))| HostRow {
        host: host.to_owned(),
        boots: boots.len() as u64,
        first: when.first(),
        last: when.last(),
        ..row
    });
    let mut rows: Vec<_> = rows.collect();
    rows.order_by_key(|row| std::cmp::Reverse(row.failures));
    rows
}

fn causes(counts: &super::counts::Counts) -> Vec<CauseCount> {
    let all = counts.failures().max(1) as f64;
    let mut rows = counts.causes.in_order();
    rows.retain(|(_, sum)| sum.count > 0);
    rows.order_by_key(|(_, sum)| std::cmp::Reverse(sum.count));
    let rows = rows.into_iter().map(|(cause, sum)| CauseCount {
        cause,
        failures: sum.count,
        share: sum.count as f64 / all,
        first: sum.when.first(),
        last: sum.when.last(),
    });
    rows.collect()
}

/// By name, of those that have as many.
fn named<K: PartialEq + Copy>(
    counts: &Few<K, u64>,
    name: fn(K) -> &'static str,
) -> impl Iterator<Item = (String, u64)> {
    let named = counts.iter().map(|(key, count)| (name(key), *count));
    let mut named: Vec<_> = named.collect();
    named.order_by_key(|(name, _)| *name);
    named
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
}

fn by_count(counts: impl Iterator<Item = (String, u64)>) -> Vec<Count> {
    let mut rows: Vec<_> = counts
        .filter(|(_, failures)| *failures > 0)
        .map(|(name, failures)| Count { name, failures })
        .collect();
    rows.order_by_key(|row| std::cmp::Reverse(row.failures));
    rows
}

/// So many rows, and the others.
pub(super) fn cut<R>(
    mut rows: Vec<R>,
    others: Others,
    shown: usize,
    failures: impl Fn(&R) -> u64,
) -> Top<R> {
    let more = sum(rows.iter().skip(shown).map(&failures));
    let other_rows = rows.len().saturating_sub(shown) as u64;
    let largest_other = rows.get(shown).map(failures);
    rows.truncate(shown);
    Top {
        rows,
        other_rows,
        largest_other,
        others: others.count.saturating_add(more),
        unrecorded: others.unrecorded,
        exact: others.dropped == 0,
    }
}

/// By program: a row without an executable goes to the program that has a thread of its name.
fn callers(
    table: Table<CallerState>,
    shown: usize,
    ends: &HashMap<&str, Timestamp>,
) -> Top<CallerRow> {
    let (all, others) = table.finish();
    let (named, nameless): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, row)| row.by_exe);
    let mut rows = named;
    for (failures, row) in nameless {
        match rows.iter_mut().find(|(_, program)| row.is_of(program)) {
            Some((count, program)) => {
                add(count, failures);
                program.absorb(row);
            }
            None => rows.push((failures, row)),
        }
    }
    // Stable: those with as many keep the table's order.
    rows.order_by_key(|(failures, _)| std::cmp::Reverse(*failures));
    cut(rows, others, shown, |(count, _)| *count).map(|row| caller_row(row, ends))
}

/// Until when each host's records go: those of failures, and the ends of sessions.
fn ends(all: &[Followed]) -> HashMap<&str, Timestamp> {
    let mut ends = HashMap::new();
    for session in all {
        let ended = session.summary.as_ref().and_then(|s| s.ended.parse().ok());
        let last = session.when.get().map(|(_, last)| last);
        for time in ended.into_iter().chain(last) {
            let end = ends.entry(&*session.host).or_insert(time);
            *end = time.max(*end);
        }
    }
    ends
}

fn caller_row((failures, row): (u64, CallerState), ends: &HashMap<&str, Timestamp>) -> CallerRow {
    let (operation, errno) = row.asked().unzip();
    let quiet = row.when.get().zip(ends.get(&*row.host));
    let quiet = quiet.map(|((_, last), end)| end.as_second() - last.as_second());
    CallerRow {
        catalogued: row.catalogued.clone(),
        operation,
        errno,
        quiet_seconds: quiet.and_then(|seconds| u64::try_from(seconds).ok()),
        failures,
        host: row.host.to_string(),
        processes: row.processes(),
        more_processes: row.more,
        most_in_a_second: row.most,
        comm: row.threads.first().cloned().unwrap_or_default(),
        program: row.program,
        threads: row.threads,
        uid: row.uid,
        user: row.user,
        first: row.when.first(),
        last: row.when.last(),
    }
}

pub(super) fn limit_row((failures, state): (u64, LimitState)) -> LimitRow {
    let (name, scope, within) = match state.limit {
        Some(limit) => (Some(limit.name), Some(limit.scope), limit.within),
        None => (None, None, None),
    };
    let mut fixes = state.fixes.into_fixes().into_iter();
    let values = state.values.into_counts();
    LimitRow {
        failures,
        host: state.host.to_string(),
        cause: state.cause,
        name,
        scope,
        within,
        unit: state.unit,
        value: state.value,
        usage: state.usage,
        highest_usage: state.highest,
        file: state.file,
        first: state.when.first(),
        last: state.when.last(),
        values: values
            .into_iter()
            .map(|(value, failures)| ValueCount { value, failures })
            .collect(),
        fix: fixes.next(),
        more_fixes: fixes.collect(),
        holders: state.holders.into_items(),
        fullness: state.fill.and_then(|fill| fill.finish()),
    }
}

fn cgroup_row((failures, row): (u64, super::rows::CgroupState)) -> CgroupRow {
    CgroupRow {
        failures,
        host: row.host.to_string(),
        path: row.path,
        unit: row.unit,
        container: row.container,
        pod: row.pod,
        called: row.called,
        first: row.when.first(),
        last: row.when.last(),
    }
}

/// How pods are called, by uid.
fn called(cgroups: &[CgroupRow]) -> HashMap<String, String> {
    let each = cgroups.iter();
    each.filter_map(|row| Some((row.pod.clone()?, row.called.clone()?)))
        .collect()
}

fn owners(cgroups: &[CgroupRow], name: fn(&CgroupRow) -> Option<&String>) -> Vec<OwnerRow> {
    let mut owners: HashMap<(&str, &str), u64> = HashMap::new();
    for row in cgroups {
        if let Some(name) = name(row) {
            add(owners.entry((&row.host, name)).or_default(), row.failures);
        }
    }
    let rows = owners.into_iter().map(|((host, name), failures)| OwnerRow {
        failures,
        host: host.to_owned(),
        name: name.to_owned(),
        called: None,
    });
    let mut rows: Vec<_> = rows.collect();
    rows.order_by(|a, b| {
        let names = || (&a.host, &a.name).cmp(&(&b.host, &b.name));
        b.failures.cmp(&a.failures).then_with(names)
    });
    rows.truncate(ROWS);
    rows
}

/// Of several hosts, or more limits than can be named, by kind.
fn advised(limits: &Top<LimitRow>, rolled: &Rolled, hosts: usize) -> Vec<Advice> {
    let by_kind = hosts > 1 || limits.rows.len() > ADVICE || limits.others > limits.unrecorded;
    match by_kind {
        true => {
            let rows = rolled.limits.rows.iter().take(ADVICE);
            // Of one limit alone more is known.
            let alone = |kind: &KinRow| {
                let of = (&kind.name, kind.scope.as_deref());
                let is_one = kind.limits == Some(1);
                let mut same = limits
                    .rows
                    .iter()
                    .filter(|row| (&row.name, row.owner().as_deref()) == of);
                let one = same
                    .next()
                    .filter(|row| is_one && row.failures == kind.failures);
                one.map(advice)
            };
            rows.filter_map(|kind| alone(kind).or_else(|| of_kind(kind)))
                .collect()
        }
        false => limits.rows.iter().take(ADVICE).map(advice).collect(),
    }
}

/// "RLIMIT_NPROC of uid 101 on 24 hosts (worst db-21: 564 failures) is 60 to 100, in use up to 100".
fn of_kind(row: &KinRow) -> Option<Advice> {
    let amount = |n| match row.unit {
        Some(unit) => amount(n, unit),
        None => n.to_string(),
    };
    let mut summary = row.title();
    let worst = row.worst.as_ref();
    let several = row.limits.is_none_or(|limits| limits > row.hosts);
    if let Some(limits) = row.limits.filter(|limits| *limits > row.hosts) {
        summary.push_str(&format!(": {limits} of them"));
    }
    match (row.hosts, worst) {
        (0 | 1, Some(worst)) if !worst.host.is_empty() => {
            summary.push_str(&format!(" on {}", worst.host));
        }
        (0 | 1, _) => {}
        (hosts, _) => summary.push_str(&format!(" on {hosts} hosts")),
    }
    if let Some(worst) = worst.filter(|_| several || row.hosts > 1) {
        let mut which = Vec::new();
        which.extend(Some(worst.host.as_str()).filter(|host| row.hosts > 1 && !host.is_empty()));
        let scope = worst.scope.as_deref();
        which.extend(scope.filter(|_| several && scope != row.scope.as_deref()));
        let failures = worst.failures;
        let noun = if failures == 1 { "failure" } else { "failures" };
        if !which.is_empty() {
            let which = which.join(" ");
            summary.push_str(&format!(" (worst {which}: {failures} {noun})"));
        }
    }
    match (row.lowest_value, row.highest_value) {
        (Some(low), Some(high)) if low < high => {
            summary.push_str(&format!(" is {} to {}", amount(low), amount(high)));
        }
        (Some(value), _) => summary.push_str(&format!(" is {}", amount(value))),
        _ => {}
    }
    if let Some(usage) = row.highest_usage {
        summary.push_str(&format!(", in use up to {}", amount(usage)));
    }
    Some(Advice {
        failures: row.failures,
        summary,
        fix: worst.and_then(|worst| worst.fix.clone()),
        more_fixes: worst.map_or_else(Vec::new, |worst| worst.more_fixes.clone()),
        cause: row.cause?,
        holders: worst.map_or_else(Vec::new, |worst| worst.holders.clone()),
    })
}

/// "pids.max of /system.slice on web1 is 100, in use 100".
fn advice(row: &LimitRow) -> Advice {
    let amount = |n| match row.unit {
        Some(unit) => amount(n, unit),
        None => n.to_string(),
    };
    let mut summary = row.title();
    if !row.host.is_empty() {
        summary.push_str(&format!(" on {}", row.host));
    }
    match &row.values[..] {
        [] | [_] => {
            if let Some(value) = row.value {
                summary.push_str(&format!(" is {}", amount(value)));
            }
        }
        several => {
            let told: u64 = several.iter().map(|of| of.failures).sum();
            let others = row.failures.saturating_sub(told);
            let others = (others > 0).then(|| format!("others ({others} failures)"));
            let each = several
                .iter()
                .map(|of| format!("{} ({} failures)", amount(of.value), of.failures))
                .chain(others);
            summary.push_str(&format!(" is {}", each.collect::<Vec<_>>().join(" and ")));
        }
    }
    match (row.usage, row.highest_usage) {
        (Some(usage), Some(highest)) if highest > usage => {
            summary.push_str(&format!(", in use up to {}", amount(highest)));
        }
        (Some(usage), _) => summary.push_str(&format!(", in use {}", amount(usage))),
        (None, _) => {}
    }
    Advice {
        failures: row.failures,
        summary,
        fix: row.fix.clone(),
        more_fixes: row.more_fixes.clone(),
        cause: row.cause,
        holders: row.holders.clone(),
    }
}

fn timeline(timeline: &Timeline<Option<Cause>>) -> TimelineRow {
    let series = timeline.series().into_iter().map(|(cause, counts)| Series {
        cause,
        failures: sum(counts.iter().copied()),
        counts,
    });
    let mut series: Vec<_> = series.collect();
    series.order_by_key(|series| std::cmp::Reverse(series.failures));
    TimelineRow {
        start: timeline.start().map(|start| start.to_string()),
        bucket_seconds: timeline.width(),
        series,
    }
}

fn bursts(bursts: Bursts, all: &[Followed]) -> Report {
    let (largest, more_bursts) = bursts.largest(BURSTS);
    let host = |id: u32| {
        all.iter()
            .find(|s| s.host_id == id)
            .map(|s| s.host.to_string())
    };
    let rows = largest.into_iter().map(|(id, start, burst)| {
        let most = burst.causes.in_order().into_iter();
        let most = most.max_by_key(|(_, count)| **count);
        BurstRow {
            failures: burst.failures,
            host: host(id).unwrap_or_default(),
            first: start.to_string(),
            last: burst.last.to_string(),
            cause: most.and_then(|(cause, _)| cause),
            of_cause: most.map_or(0, |(_, count)| *count),
        }
    });
    Report {
        bursts: rows.collect(),
        more_bursts,
        ..Report::default()
    }
}
