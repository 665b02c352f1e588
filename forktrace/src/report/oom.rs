//! OOM kills, and which of them were near a failure for want of memory.
//!
//! Files may come in any order, so kills and the seconds with such failures are kept, each up to a
//! bound, and compared at the end.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;

use super::{
    counts::add,
    document::{NearRow, OomReport, Top, VictimRow},
    rows::clip,
    table::Table,
    when::When,
};
use crate::{order::Order as _, record::OomKill};

/// Seconds apart that count as near.
const NEAR_SECONDS: i64 = 60;
/// Kills that are kept to be compared; what comes then is counted only.
const KEPT: usize = 1024;
/// Seconds with failures that are kept.
const SECONDS: usize = 1 << 16;
/// Rows that are reported.
const ROWS: usize = 100;

/// What is known of them so far.
#[derive(Clone)]
pub(super) struct OomKills {
    kills: u64,
    already_dying: u64,
    pub lost: u64,
    when: When,
    victims: Table<Victims>,
    kept: Vec<Kept>,
    /// Failures for want of memory, by host and second.
    refused: BTreeMap<(u32, i64), u64>,
    /// Something was not kept.
    full: bool,
}

/// The victims of one cgroup.
#[derive(Clone)]
struct Victims {
    host: Arc<str>,
    when: When,
    latest: When,
    row: VictimRow,
}

/// One kill.
#[derive(Clone)]
struct Kept {
    host_id: u32,
    at: Timestamp,
    row: NearRow,
}

impl OomKills {
    /// `rows`: as many cgroups are kept at least.
    pub(super) fn new(rows: usize) -> Self {
        Self {
            kills: 0,
            already_dying: 0,
            lost: 0,
            when: When::default(),
            victims: Table::new(rows),
            kept: Vec::new(),
            refused: BTreeMap::new(),
            full: false,
        }
    }

    /// Takes a kill.
    pub(super) fn add(&mut self, host_id: u32, host: &Arc<str>, kill: &OomKill) {
        add(&mut self.kills, 1);
        add(
            &mut self.already_dying,
            u64::from(kill.already_dying == Some(true)),
        );
        let when = When::parse(&kill.time, &kill.time);
        self.when.cover(when);
        let path = kill.cgroup.path.as_deref().map(clip);
        let mut key = host_id.to_le_bytes().to_vec();
        key.push(u8::from(path.is_some()));
        key.extend_from_slice(path.unwrap_or_default().as_bytes());
        let (_, victims) = self.victims.add(&key, 1, || Victims::new(host, kill));
        victims.when.cover(when);
        if when.is_latest(victims.latest) {
            victims.latest = when;
            clip(&kill.victim.comm).clone_into(&mut victims.row.comm);
            victims.row.reason = clip(&kill.reason()).to_owned();
        }
        let Some((at, _)) = when.get() else {
            return;
        };
        if self.kept.len() == KEPT {
            self.full = true;
            return;
        }
        self.kept.push(Kept {
            host_id,
            at,
            row: NearRow {
                time: at.to_string(),
                host: host.to_string(),
                pid: kill.victim.pid,
                comm: clip(&kill.victim.comm).to_owned(),
                path: path.map(str::to_owned),
                reason: clip(&kill.reason()).to_owned(),
                failures: 0,
                nearest_seconds: 0,
            },
        });
    }

    /// Takes failures for want of memory. Repeats are at their last.
    pub(super) fn refused(&mut self, host_id: u32, when: When, count: u64) {
        let Some((_, last)) = when.get() else {
            return;
        };
        let second = (host_id, last.as_second());
        if self.refused.len() >= SECONDS && !self.refused.contains_key(&second) {
            self.full = true;
            return;
        }
        add(self.refused.entry(second).or_default(), count);
    }

    /// Ends the counting.
    pub(super) fn finish(mut self) -> OomReport {
        self.kept.order_by_key(|kept| kept.at);
        let mut near = Vec::new();
        let mut more_near = 0;
        for kept in self.kept {
            let at = kept.at.as_second();
            let host = kept.host_id;
            let within =
                (host, at.saturating_sub(NEAR_SECONDS))..=(host, at.saturating_add(NEAR_SECONDS));
            let mut failures = 0;
            let mut nearest: Option<i64> = None;
            for ((_, second), count) in self.refused.range(within) {
                add(&mut failures, *count);
                let apart = second - at;
                if nearest.is_none_or(|nearest| apart.abs() < nearest.abs()) {
                    nearest = Some(apart);
                }
            }
            let Some(nearest_seconds) = nearest else {
                continue;
            };
            if near.len() == ROWS {
                more_near += 1;
                continue;
            }
            near.push(NearRow {
                failures,
                nearest_seconds,
                ..kept.row
            });
        }
        let (rows, others) = self.victims.finish();
        let more = rows.iter().skip(ROWS).map(|(kills, _)| *kills);
        let others_count = more.fold(others.count, u64::saturating_add);
        let rows = rows
            .into_iter()
            .take(ROWS)
            .map(|(kills, victims)| VictimRow {
                kills,
                host: victims.host.to_string(),
                first: victims.when.first(),
                last: victims.when.last(),
                ..victims.row
            });
        OomReport {
            kills: self.kills,
            already_dying: self.already_dying,
            lost: self.lost,
            first: self.when.first(),
            last: self.when.last(),
            victims: Top {
                other_rows: 0,
                largest_other: None,
                rows: rows.collect(),
                others: others_count,
                unrecorded: 0,
                exact: others.dropped == 0,
            },
            near,
            near_seconds: NEAR_SECONDS.unsigned_abs(),
            more_near,
            near_exact: !self.full,
        }
    }
}

impl Victims {
    fn new(host: &Arc<str>, kill: &OomKill) -> Self {
        let owned = |text: &Option<String>| text.as_deref().map(|text| clip(text).to_owned());
        Self {
            host: Arc::clone(host),
            when: When::default(),
            latest: When::default(),
            row: VictimRow {
                kills: 0,
                host: String::new(),
                path: owned(&kill.cgroup.path),
                unit: owned(&kill.cgroup.unit),
                container: owned(&kill.cgroup.container),
                pod: owned(&kill.cgroup.pod),
                comm: String::new(),
                reason: String::new(),
                first: None,
                last: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Cause, LossReason},
        record::{Record, oom_kill::tests::kill},
        recording::Wanted,
        report::{
            Report,
            tests::{failure, filtered, loss, report, session, summary},
        },
    };

    const START: &str = "2026-01-01T00:00:00Z";

    fn killed(time: &str) -> Record {
        Record::OomKill(Box::new(kill(time)))
    }

    fn refused(seq: u64, time: &str, cause: Cause) -> Record {
        let mut failure = failure(seq, time);
        failure.cause = cause;
        Record::Failure(Box::new(failure))
    }

    #[test]
    fn a_kill_near_a_failure_stands_beside_it_in_whatever_order() {
        let kills = [
            session("web1", START),
            killed("2026-01-01T00:10:00Z"),
            killed("2026-01-01T00:20:00Z"),
        ];
        let failures = [
            session("web1", START),
            refused(1, "2026-01-01T00:09:00.5Z", Cause::Overcommit),
            refused(2, "2026-01-01T00:10:07Z", Cause::CgroupMemoryMax),
            // Neither is for want of memory, nor near enough, nor here.
            refused(3, "2026-01-01T00:10:01Z", Cause::CgroupPidsMax),
            refused(4, "2026-01-01T00:11:01Z", Cause::Overcommit),
        ];
        let elsewhere = [
            session("web2", START),
            refused(1, "2026-01-01T00:20:00Z", Cause::Overcommit),
        ];
        let orders: [[&[Record]; 3]; 2] = [
            [&kills, &failures, &elsewhere],
            [&elsewhere, &failures, &kills],
        ];
        for files in orders {
            let Report { oom, totals, .. } = report(&files);
            assert_eq!(totals.failures, 5, "kills are no failures");
            assert_eq!((oom.kills, oom.lost, oom.already_dying), (2, 0, 0));
            assert_eq!(oom.first.as_deref(), Some("2026-01-01T00:10:00Z"));
            assert_eq!(oom.victims.rows.len(), 1);
            let row = &oom.victims.rows[0];
            assert_eq!((row.kills, &*row.host, &*row.comm), (2, "web1", "postgres"));
            assert_eq!(row.path.as_deref(), Some("/x/y.service"));
            assert_eq!(row.reason, "memory.max of /x is full");
            assert_eq!(oom.near.len(), 1);
            let near = &oom.near[0];
            assert_eq!((near.failures, near.nearest_seconds, near.pid), (2, 7, 812));
            assert!(oom.near_exact && oom.more_near == 0);
        }
    }

    #[test]
    fn a_lost_kill_is_no_lost_failure() {
        let files: [&[Record]; 1] = [&[
            session("web1", START),
            loss(3, LossReason::OomKill),
            summary(0, 0),
        ]];
        let r = report(&files);
        assert_eq!((r.oom.lost, r.oom.kills), (3, 0));
        assert_eq!((r.totals.failures, r.totals.lost), (0, 0));
    }

    #[test]
    fn who_asks_for_causes_gets_no_kills() {
        let files: [&[Record]; 1] = [&[session("web1", START), killed(START)]];
        let of = |wanted| filtered(wanted, &files).oom.kills;
        assert_eq!(of(Wanted::default()), 1);
        let causes = vec![Cause::Overcommit];
        assert_eq!(
            of(Wanted {
                causes,
                ..Wanted::default()
            }),
            0
        );
    }

    #[test]
    fn no_number_of_kills_and_failures_takes_more_room() {
        let host: Arc<str> = "web1".into();
        let mut oom = OomKills::new(16);
        let mut kill = kill(START);
        let start: Timestamp = START.parse().unwrap();
        for n in 0..SECONDS as i64 + 10 {
            let at = start + jiff::SignedDuration::from_secs(n);
            oom.refused(1, When::between(at, at), 1);
            if n < 3000 {
                kill.time = at.to_string();
                kill.cgroup.path = Some(format!("/{n}"));
                oom.add(1, &host, &kill);
            }
        }
        assert_eq!((oom.refused.len(), oom.kept.len()), (SECONDS, KEPT));
        assert!(oom.victims.len() <= 32);
        let report = oom.finish();
        assert_eq!(report.kills, 3000);
        let rows: u64 = report.victims.rows.iter().map(|row| row.kills).sum();
        assert_eq!(rows + report.victims.others, 3000);
        assert_eq!(
            (
                report.near.len() as u64 + report.more_near,
                report.near_exact
            ),
            (1024, false)
        );
    }
}
