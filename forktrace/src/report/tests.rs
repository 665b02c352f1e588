//! Whole reports, from lines.

mod advice_tests;
mod bounds_tests;
mod sums_tests;
mod wanted_tests;

use super::*;
use crate::{
    model::{
        Cause, Certainty, Cgroup, Errno, Fix, Holder, HolderKind, Limit, LimitKind, LossReason,
        Operation, Owner, Unit,
    },
    record::{Failure, Loss, Record, Repeat, Session, Summary, write_line},
    recording::{Gap, Reader, Wanted},
};

pub(crate) fn failure(seq: u64, time: &str) -> Failure {
    Failure {
        seq,
        time: time.to_owned(),
        operation: Operation::Process,
        syscall: Some("clone".to_owned()),
        errno: Errno::EAGAIN,
        caller: crate::model::caller::tests::caller(),
        cgroup: Cgroup {
            path: Some("/system.slice/postgresql.service".to_owned()),
            unit: Some("postgresql.service".to_owned()),
            ..Cgroup::default()
        },
        cause: Cause::CgroupPidsMax,
        certainty: Certainty::Observed,
        limit: Some(Limit {
            kind: LimitKind::PidsMax,
            owner: Owner::cgroup("/system.slice"),
            value: Some(100),
            usage: Some(100),
            requested: Some(1),
            unit: Unit::Tasks,
            usable: None,
            within: None,
            file: Some("/sys/fs/cgroup/system.slice/pids.max".to_owned()),
        }),
        candidates: Vec::new(),
        holders: Vec::new(),
        memory: None,
        summary: "no".to_owned(),
        fix: vec![Fix {
            now: Some("echo 200 > /sys/fs/cgroup/system.slice/pids.max".to_owned()),
            persistent: None,
            note: None,
        }],
    }
}

pub(crate) fn session(host: &str, started: &str) -> Record {
    Record::Session(Box::new(Session {
        schema: 1,
        version: "0.1.0".to_owned(),
        started: started.to_owned(),
        host: host.to_owned(),
        boot_id: Some(format!("boot of {host}")),
        kernel: "6.12.1".to_owned(),
        attach: "fexit".to_owned(),
        probes: Vec::new(),
        absent: Vec::new(),
        holders_by: None,
        inside: Vec::new(),
        filters: Default::default(),
        limits: Default::default(),
    }))
}

pub(crate) fn failed(seq: u64, time: &str) -> Record {
    Record::Failure(Box::new(failure(seq, time)))
}

fn with(seq: u64, time: &str, change: impl FnOnce(&mut Failure)) -> Record {
    let mut failure = failure(seq, time);
    change(&mut failure);
    Record::Failure(Box::new(failure))
}

pub(crate) fn repeat(of: u64, count: u64, first: &str, last: &str) -> Record {
    Record::Repeat(Repeat {
        of,
        count,
        first: first.to_owned(),
        last: last.to_owned(),
        alike: Default::default(),
    })
}

pub(crate) fn loss(count: u64, reason: LossReason) -> Record {
    Record::Loss(Loss {
        count,
        since: AT.to_owned(),
        reason,
    })
}

pub(crate) fn summary(failures: u64, lost: u64) -> Record {
    Record::Summary(Summary {
        ended: "2026-01-02T00:00:00Z".to_owned(),
        failures,
        lost,
        killed: 2,
        ..Summary::default()
    })
}

pub(crate) const AT: &str = "2026-01-01T00:00:00.5Z";
pub(crate) const LATER: &str = "2026-01-01T00:10:00.5Z";

/// The report of these files.
pub(crate) fn report(files: &[&[Record]]) -> Report {
    filtered(Wanted::default(), files)
}

pub(crate) fn filtered(wanted: Wanted, files: &[&[Record]]) -> Report {
    let mut report = Aggregator::new(wanted);
    let mut line = Vec::new();
    for file in files {
        report.begin_file();
        for record in *file {
            line.clear();
            write_line(&mut line, record).unwrap();
            report.take(line.trim_ascii_end()).unwrap();
        }
    }
    adds_up(report.finish())
}

/// What has to hold whatever the files hold.
fn adds_up(r: Report) -> Report {
    let t = &r.totals;
    assert_eq!(t.failures, t.told + t.repeated + t.cause_not_here + t.lost);
    let known = t.told + t.repeated;
    let sum = |counts: &[Count]| counts.iter().map(|c| c.failures).sum::<u64>();
    assert_eq!(r.causes.iter().map(|c| c.failures).sum::<u64>(), known);
    for counts in [&r.errnos, &r.operations, &r.certainties] {
        assert_eq!(sum(counts), known);
    }
    assert_eq!(sum(&r.losses), t.lost);
    let limits: u64 = r.limits.rows.iter().map(|row| row.failures).sum();
    assert_eq!(limits + r.limits.others, known);
    let callers: u64 = r.callers.rows.iter().map(|row| row.failures).sum();
    assert_eq!(callers + r.callers.others, known);
    let cgroups: u64 = r.cgroups.rows.iter().map(|row| row.failures).sum();
    assert_eq!(cgroups + r.cgroups.others, known);
    let hosts: u64 = r.hosts.iter().map(|row| row.failures).sum();
    assert_eq!(hosts, t.failures);
    rolled_adds_up(&r);
    let series = r.timeline.series.iter();
    let over_time: u64 = series.map(|s| s.counts.iter().sum::<u64>()).sum();
    assert_eq!(over_time + t.without_time, t.failures);
    r
}

/// What has to hold over all hosts.
fn rolled_adds_up(r: &Report) {
    let t = &r.totals;
    let known = t.told + t.repeated;
    let limits = &r.rolled.limits;
    let sum: u64 = limits.rows.iter().map(|row| row.failures).sum();
    assert_eq!(sum + limits.others, known);
    let each = [
        (&r.rolled.programs, known),
        (&r.rolled.users, known),
        (&r.rolled.units, known),
        (&r.rolled.pods, known),
        (&r.rolled.hosts, t.failures),
        (&r.rolled.causes, t.failures),
    ];
    for (top, all) in each {
        let sum: u64 = top.rows.iter().map(|row| row.failures).sum();
        assert_eq!(sum + top.others, all, "{top:?}");
        for row in &top.rows {
            assert!(row.of_cause <= row.failures && row.hosts <= r.hosts.len() as u64);
        }
    }
    let heat = &r.rolled.heat;
    let rows = heat.hosts.iter().flat_map(|row| &row.counts);
    let over_time: u64 = rows.chain(&heat.others).sum();
    assert_eq!(over_time + t.without_time, t.failures);
}
