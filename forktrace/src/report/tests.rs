//! Whole reports, from lines.

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

/// Hosts, units, users, pods and limits of any number, repeats of all kinds, in tables that are too small.
#[test]
fn whatever_the_tables_hold_everything_adds_up() {
    use crate::record::Alike;
    let mut state = 20_261_129u64;
    let mut random = |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % below
    };
    for round in 0..120 {
        let rows = 1 + random(6) as usize;
        let mut report = Aggregator::with_rows(Wanted::default(), rows);
        for host in 0..=random(9) {
            report.begin_file();
            report.take_record(&session(&format!("web{host}"), AT));
            let mut seq = 0;
            for _ in 0..random(40) {
                let time = format!("2026-01-01T{:02}:00:00Z", random(24));
                match random(6) {
                    0..3 => {
                        seq += 1;
                        let of = [random(5), random(5), random(5), random(3), random(4)];
                        report.take_record(&with(seq, &time, |f| {
                            f.caller.uid = of[0] as u32;
                            f.caller.user = (of[0] > 2).then(|| format!("u{}", of[0]));
                            f.cgroup.path = Some(format!("/a{}/b{}", of[1], of[2]));
                            f.cgroup.unit = (of[1] > 0).then(|| format!("u{}", of[1]));
                            f.cgroup.pod = (of[2] > 2).then(|| format!("p{}", of[2]));
                            f.cause =
                                [Cause::PidMax, Cause::Lsm, Cause::CgroupPidsMax][of[3] as usize];
                            match of[4] {
                                0 => f.limit = None,
                                n => {
                                    f.limit.as_mut().unwrap().owner =
                                        Owner::cgroup(format!("/docker/{:032x}", of[1] * n));
                                }
                            }
                        }));
                    }
                    3 | 4 => report.take_record(&Record::Repeat(Repeat {
                        of: 1 + random(seq + 2),
                        count: random(1000),
                        first: time.clone(),
                        last: "2026-01-02T00:00:00Z".to_owned(),
                        alike: [Alike::Process, Alike::UserAndCgroup, Alike::Check]
                            [random(3) as usize],
                    })),
                    _ => report.take_record(&loss(random(50), "ring_full".into())),
                }
            }
        }
        let all = adds_up(report.clone().finish());
        for top in [1, 2, 7] {
            let asked = Asked {
                by: None,
                top: Some(top),
            };
            let r = adds_up(report.clone().finish_as(asked));
            assert_eq!(r.totals, all.totals, "round {round}");
            assert!(r.rolled.units.rows.len() <= top);
        }
    }
}

/// 24 hosts, of which each has the same limit of the same user, and containers with names of their own.
#[test]
fn the_same_limit_on_many_hosts_is_one_line() {
    let mut files = Vec::new();
    for host in 0..24u64 {
        let mut file = vec![session(&format!("db-{host}"), AT)];
        file.push(with(1, AT, |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.kind = LimitKind::RlimitNproc;
            limit.owner = Owner::user(101);
            (limit.value, limit.usage) = (Some(60 + host), Some(60 + host));
            f.cause = Cause::RlimitNproc;
            f.fix[0].now = Some(format!("raise it on {host}"));
        }));
        file.push(repeat(1, 100 + host, AT, LATER));
        file.push(with(2, LATER, |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.owner = Owner::cgroup(format!("/docker/{host:064x}"));
        }));
        file.push(repeat(2, host, LATER, LATER));
        files.push(file);
    }
    let files: Vec<&[Record]> = files.iter().map(|file| &file[..]).collect();
    let r = report(&files);
    let [user, docker] = &r.rolled.limits.rows[..] else {
        panic!("{:?}", r.rolled.limits);
    };
    assert_eq!(user.title(), "RLIMIT_NPROC of uid 101");
    assert_eq!(
        (user.failures, user.hosts, user.limits),
        (2700, 24, Some(24))
    );
    assert_eq!(
        (user.lowest_value, user.highest_value),
        (Some(60), Some(83))
    );
    let worst = user.worst.as_ref().unwrap();
    assert_eq!((&*worst.host, worst.failures), ("db-23", 124));
    assert_eq!(docker.title(), "pids.max of /docker/*");
    assert_eq!((docker.failures, docker.hosts), (300, 24));
    assert_eq!(r.advice.len(), 2);
    assert_eq!(
        r.advice[0].summary,
        "RLIMIT_NPROC of uid 101 on 24 hosts (worst db-23: 124 failures) is 60 to 83, in use up to 83"
    );
    let fix = r.advice[0].fix.as_ref().unwrap();
    assert_eq!(fix.now.as_deref(), Some("raise it on 23"));
    assert_eq!(r.rolled.heat.hosts.len(), 24);
    assert_eq!(r.rolled.hosts.rows[0].name.as_deref(), Some("db-23"));
    // Of one host the owner's whole name, as it has but one.
    let one = report(&files[..1]);
    let scope = one.rolled.limits.rows[1].scope.as_deref();
    assert_eq!(scope, Some(&*format!("/docker/{:064x}", 0)));
}

#[test]
fn counts_add_up_and_the_summary_is_reconciled() {
    let r = report(&[&[
        session("web1", AT),
        failed(1, AT),
        with(2, LATER, |f| {
            f.cause = Cause::Lsm;
            f.limit = None;
            f.errno = Errno::ENOMEM;
            f.operation = Operation::Thread;
            f.certainty = Certainty::Inferred;
        }),
        repeat(1, 40, AT, LATER),
        loss(5, "ring_full".into()),
        loss(70, "skipped".into()),
        summary(50, 7),
    ]]);
    assert_eq!(r.totals.failures, 47);
    assert_eq!(
        (r.totals.told, r.totals.repeated, r.totals.lost),
        (2, 40, 5)
    );
    assert_eq!((r.totals.skipped_at_most, r.totals.killed), (70, 2));
    assert_eq!(r.causes[0].cause, Cause::CgroupPidsMax);
    assert_eq!(r.causes[0].failures, 41);
    assert_eq!(r.causes[0].first.as_deref(), Some(AT));
    assert_eq!(r.causes[0].last.as_deref(), Some(LATER));
    assert_eq!(
        r.errnos[0],
        Count {
            name: "EAGAIN".to_owned(),
            failures: 41
        }
    );
    assert_eq!(r.limits.rows[0].failures, 41);
    assert_eq!(r.limits.rows[1].name, None);
    assert_eq!(r.units[0].failures, 42);
    let s = &r.sessions[0];
    assert_eq!((s.missing, s.only_in_summary, s.too_many), (3, 2, 0));
    assert_eq!(r.totals.only_in_summaries, 2);
    assert_eq!(r.advice[0].failures, 41);
    assert!(
        r.advice[0]
            .summary
            .contains("pids.max of /system.slice on web1 is 100")
    );
    assert!(r.advice[0].fix.is_some());
    assert_eq!(
        r.bursts[0].failures + r.bursts.iter().skip(1).map(|b| b.failures).sum::<u64>(),
        47
    );
}

/// A session that goes on in a second file, the repeats of each file's failure
/// in the other one, and a host in between whose numbers are the same.
#[test]
fn rotated_files_of_many_hosts_may_come_in_any_order() {
    let first = [
        session("web1", AT),
        failed(1, AT),
        failed(2, AT),
        repeat(1, 10, AT, AT),
    ];
    let second = [
        session("web1", AT),
        repeat(2, 100, AT, LATER),
        repeat(1, 1, AT, LATER),
        failed(3, LATER),
        summary(114, 0),
    ];
    let other = |seq, time: &str| {
        with(seq, time, |f| {
            f.cause = Cause::PidMax;
            f.caller.comm = "java".to_owned();
        })
    };
    let of_other = [
        session("web2", AT),
        other(1, AT),
        other(2, AT),
        repeat(2, 1000, AT, AT),
    ];
    let files: [&[Record]; 3] = [&first, &of_other, &second];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [0, 2, 1]] {
        let r = report(&order.map(|n| files[n]));
        assert_eq!(r.totals.failures, 114 + 1002, "{order:?}");
        assert_eq!(r.totals.cause_not_here, 0, "{order:?}");
        assert_eq!((r.sessions.len(), r.hosts.len()), (2, 2));
        assert_eq!(r.sessions[0].failures, 114);
        assert_eq!((r.sessions[0].missing, r.sessions[0].too_many), (0, 0));
        assert_eq!(r.sessions[1].ended, None);
        let rows = r
            .callers
            .rows
            .iter()
            .map(|row| (row.comm.as_str(), row.failures));
        assert_eq!(
            rows.collect::<Vec<_>>(),
            [("java", 1002), ("postgres", 114)]
        );
        assert_eq!(r.limits.rows[1].last.as_deref(), Some(LATER), "{order:?}");
    }
}

#[test]
fn a_file_that_is_missing_or_given_twice_is_reported() {
    let first = [session("web1", AT), failed(1, AT)];
    let second = [session("web1", AT), repeat(1, 12, AT, AT), summary(13, 0)];
    let r = report(&[&second]);
    assert_eq!((r.totals.failures, r.totals.cause_not_here), (12, 12));
    assert_eq!(r.sessions[0].missing, 1);
    let r = report(&[&first, &second, &second]);
    assert_eq!((r.totals.failures, r.totals.cause_not_here), (13, 0));
    assert_eq!((r.sessions[0].too_many, r.totals.again), (0, 12));
    // Without its session a file's failures count all the same, and are nobody's.
    let r = report(&[&[repeat(1, 12, AT, AT), failed(4, AT)], &[failed(1, AT)]]);
    assert_eq!((r.totals.failures, r.totals.cause_not_here), (14, 12));
    assert_eq!(r.sessions.len(), 2);
}

#[test]
fn the_worst_moment_has_the_say_and_the_latest_the_numbers() {
    let at_usage = |seq, time: &str, usage, fix: &str, holder: Option<&str>| {
        let holder = holder.map(|name| Holder {
            kind: HolderKind::Program,
            name: name.to_owned(),
            tasks: usage,
            zombies: 0,
            bytes: None,
            idle: None,
            detail: None,
        });
        with(seq, time, |f| {
            f.limit.as_mut().unwrap().usage = Some(usage);
            f.fix[0].now = Some(fix.to_owned());
            f.holders = holder.into_iter().collect();
        })
    };
    let records = [
        at_usage(1, LATER, 120, "late", None),
        at_usage(2, AT, 180, "early", Some("fork bomb")),
        at_usage(3, AT, 150, "early", Some("nobody")),
    ];
    for order in [[0, 1, 2], [2, 1, 0]] {
        let records = order.map(|n: usize| records[n].clone());
        let r = report(&[&[session("web1", AT)], &records]);
        let row = &r.limits.rows[0];
        assert_eq!((row.usage, row.highest_usage), (Some(120), Some(180)));
        // An advice above what has been in use, and nothing of the others is left out.
        assert_eq!(row.fix.as_ref().unwrap().now.as_deref(), Some("early"));
        assert_eq!(row.more_fixes[0].now.as_deref(), Some("late"));
        assert_eq!(row.holders[0].name, "fork bomb");
    }
}

/// The limit of Java's was 60 and that of Python's 20, one user's both.
#[test]
fn a_limit_with_several_values_is_advised_above_all_of_them() {
    let of = |seq, value: u64, program: &str| {
        let program = program.to_owned();
        with(seq, AT, move |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.kind = LimitKind::RlimitNproc;
            limit.owner = Owner::User {
                uid: 1001,
                userns: None,
            };
            (limit.value, limit.usage) = (Some(value), Some(value));
            f.caller.exe = Some(format!("/usr/bin/{program}"));
            f.caller.pid = value as u32;
            f.fix[0].now = None;
            f.fix[0].persistent = Some(format!("ann - nproc {}", 2 * value));
        })
    };
    let records = [
        of(1, 60, "java"),
        repeat(1, 443, AT, AT),
        of(2, 20, "python3"),
        repeat(2, 80, AT, AT),
    ];
    let r = report(&[&[session("web1", AT)], &records]);
    assert_eq!(
        r.advice[0].summary,
        "RLIMIT_NPROC of uid 1001 is 60 (444 failures) and 20 (81 failures), in use up to 60"
    );
    let persistent = |fix: &Option<Fix>| fix.as_ref().unwrap().persistent.clone().unwrap();
    assert_eq!(persistent(&r.advice[0].fix), "ann - nproc 120");
    assert_eq!(r.advice[0].more_fixes, []);
    let callers = r.callers.rows.iter();
    let callers: Vec<_> = callers
        .map(|row| {
            (
                row.program.as_str(),
                row.failures,
                row.processes,
                row.most_in_a_second,
            )
        })
        .collect();
    assert_eq!(callers, [("java", 444, 1, 444), ("python3", 81, 1, 81)]);
}

/// Who made no further attempt is named with what that means, where the catalogue knows the program.
#[test]
fn who_asks_no_more_is_named() {
    let of = |programs: &[Option<&str>], operation| {
        let failures = programs.iter().enumerate().map(|(n, program)| {
            with(n as u64 + 1, AT, |f| {
                f.caller.exe = Some("/usr/sbin/nginx".to_owned());
                f.caller.catalogued = program.map(str::to_owned);
                f.operation = if n == 0 {
                    Operation::Process
                } else {
                    operation
                };
            })
        });
        let mut records = vec![session("web1", AT)];
        records.extend(failures);
        records.push(summary(programs.len() as u64, 0));
        let r = report(&[&records]);
        [
            crate::view::report_text(&r, false, 120),
            crate::view::report_digest(&r, false, 120),
            crate::view::report_page(&r),
        ]
    };
    let told = "nginx: no further attempt in the last 24 h: it asks no more until it is reloaded";
    let twice = [Some("nginx"), None];
    for texts in [
        of(&[Some("nginx")], Operation::Process),
        of(&twice, Operation::Process),
    ] {
        for text in texts {
            assert!(text.contains(told), "{text}");
        }
    }
    // What it wanted differs, or nobody knows the program.
    for text in of(&twice, Operation::Thread)
        .iter()
        .chain(&of(&[None], Operation::Process))
    {
        assert!(!text.contains("no further attempt"), "{text}");
    }
}

/// A note that one failure had, and not the latest, is in every view.
#[test]
fn every_note_comes_through() {
    let records = [
        with(1, AT, |f| {
            f.fix[0].note = Some("a connection pooler".to_owned());
        }),
        failed(2, LATER),
    ];
    let r = report(&[&[session("web1", AT)], &records]);
    for text in [
        crate::view::report_text(&r, false, 80),
        crate::view::report_digest(&r, false, 80),
        crate::view::report_page(&r),
        serde_json::to_string(&r).unwrap(),
    ] {
        assert!(text.contains("a connection pooler"), "{text}");
    }
}

#[test]
fn fifty_thousand_callers_and_limits_take_no_more_room_and_totals_stay_exact() {
    let mut all = Aggregator::new(Wanted::default());
    all.begin_file();
    let mut feed = |line: &[u8]| {
        all.take(line.trim_ascii_end()).unwrap();
        let bound = 2 * 1024;
        assert!(all.callers.len() <= bound && all.limits.len() <= bound);
        assert!(all.cgroups.len() <= bound);
    };
    let json = |record: &Record| {
        let mut line = Vec::new();
        write_line(&mut line, record).unwrap();
        String::from_utf8(line).unwrap()
    };
    let usual = json(&failed(1, AT));
    let strange = json(&with(1, AT, |f| {
        f.caller.comm = "p@".to_owned();
        f.cgroup.path = Some("/@".to_owned());
        f.limit.as_mut().unwrap().owner = Owner::cgroup("/@");
    }));
    feed(json(&session("web1", AT)).as_bytes());
    for n in 0..66_000 {
        // One caller in four is always the same.
        let line = if n % 4 == 0 { &usual } else { &strange };
        let line = line.replace('@', &n.to_string());
        let line = line.replace("\"seq\":1,", &format!("\"seq\":{n},"));
        feed(line.as_bytes());
        // Whether the row is still there or not.
        if n % 1000 == 999 {
            feed(json(&repeat(n - 990, 7, AT, AT)).as_bytes());
        }
    }
    let r = adds_up(all.finish());
    assert_eq!((r.totals.told, r.totals.repeated), (66_000, 462));
    assert_eq!(
        (r.callers.rows[0].comm.as_str(), r.callers.rows[0].failures),
        ("postgres", 16_500)
    );
    assert!(!r.callers.exact);
    assert!(r.callers.rows.len() <= 100);
}

/// More limits than the table holds: how many of a kind, and their numbers, are known all the same.
#[test]
fn limits_of_a_kind_are_counted_where_their_table_has_no_room() {
    let mut all = Aggregator::with_rows(Wanted::default(), 4);
    let mut line = Vec::new();
    let mut take = |record: &Record| {
        line.clear();
        write_line(&mut line, record).unwrap();
        all.take(line.trim_ascii_end()).unwrap();
    };
    take(&session("web1", AT));
    // Each twice, the second time when the first may be gone.
    for seq in 0..200 {
        take(&with(seq, AT, |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.owner = Owner::cgroup(format!("/kubepods/pod{:032x}", seq % 100));
            limit.value = Some(1000 + seq % 100);
            limit.usage = Some(1000 + seq % 100);
        }));
    }
    take(&repeat(199, 5, AT, AT));
    let r = adds_up(all.finish());
    let [kind] = &r.rolled.limits.rows[..] else {
        panic!("{:?}", r.rolled.limits);
    };
    assert_eq!((kind.failures, kind.limits), (205, Some(100)));
    assert_eq!(
        (kind.lowest_value, kind.highest_value),
        (Some(1000), Some(1099))
    );
    assert_eq!(kind.highest_usage, Some(1099));
}

#[test]
fn sessions_without_end_share_a_line_and_nothing_is_mixed_up_or_lost() {
    let mut all = Aggregator::new(Wanted::default());
    for n in 0..5000 {
        all.begin_file();
        let host = format!("host{n}");
        // Its repeat's failure has the number of every other session's.
        let cause = |f: &mut Failure| {
            f.cause = if n % 2 == 0 {
                Cause::PidMax
            } else {
                Cause::Lsm
            }
        };
        let records = [
            session(&host, AT),
            repeat(2, 3, AT, AT),
            with(1, AT, cause),
            repeat(1, 1, AT, AT),
        ];
        for record in &records {
            let mut line = Vec::new();
            write_line(&mut line, record).unwrap();
            all.take(line.trim_ascii_end()).unwrap();
        }
    }
    let r = adds_up(all.finish());
    assert_eq!(r.totals.failures, 25_000);
    assert_eq!(r.totals.cause_not_here, 15_000);
    let counts = r.causes.iter().map(|c| c.failures);
    assert_eq!(counts.collect::<Vec<_>>(), [5000, 5000]);
    assert_eq!(r.sessions.len() as u64 + r.more_sessions, 5000);
    assert!(r.sessions.len() < 5000);
}

#[test]
fn filters_count_what_is_wanted_repeats_included_in_any_order() {
    let java = |f: &mut Failure| f.caller.comm = "java".to_owned();
    let first = [session("web1", AT), failed(1, AT), with(2, AT, java)];
    let second = [
        session("web1", AT),
        repeat(1, 10, AT, AT),
        repeat(2, 100, LATER, LATER),
        repeat(9, 1000, AT, AT),
        loss(4, "ring_full".into()),
        summary(1116, 4),
    ];
    let files: [&[Record]; 2] = [&first, &second];
    for order in [[0, 1], [1, 0]] {
        let wanted = Wanted {
            comm: Some("java".to_owned()),
            ..Wanted::default()
        };
        let r = filtered(wanted, &order.map(|n| files[n]));
        assert!(r.filtered);
        assert_eq!(r.totals.failures, 101, "{order:?}");
        // Neither in nor out.
        assert_eq!(r.totals.unjudged, 1004);
        assert_eq!(r.sessions[0].missing, 0);
        let wanted = Wanted {
            since: Some("2026-01-01T00:05:00Z".parse().unwrap()),
            ..Wanted::default()
        };
        let r = filtered(wanted, &order.map(|n| files[n]));
        assert_eq!((r.totals.told, r.totals.repeated), (0, 100), "{order:?}");
        assert_eq!(r.callers.rows[0].comm, "java");
    }
}

/// Where records are missing, those that follow may be of a session whose beginning is among them.
#[test]
fn behind_a_gap_no_session_is_given_what_it_may_not_have() {
    const TIME: &str = "2026-01-01T00:00:01Z";
    let gap = |session: Option<Record>| Gap {
        lines: 7,
        session: match session {
            Some(Record::Session(session)) => Some(session),
            _ => None,
        },
    };
    let read = |before: &[Record], gap: &Gap, after: &[Record]| {
        let mut sums = Aggregator::new(Wanted::default());
        sums.begin_file();
        before.iter().for_each(|record| sums.take_record(record));
        sums.lose(gap);
        after.iter().for_each(|record| sums.take_record(record));
        let report = adds_up(sums.finish());
        let row = |s: &SessionRow| (s.host.clone(), s.failures, s.lost_lines, s.unsure);
        report.sessions.iter().map(row).collect::<Vec<_>>()
    };
    let of = |host: &str, failures, lost, unsure| (host.to_owned(), failures, lost, unsure);
    let before = [session("a", TIME), failed(1, TIME), failed(2, TIME)];
    // The numbers go on: it is the same one.
    let after = [failed(5, TIME), failed(6, TIME)];
    assert_eq!(read(&before, &gap(None), &after), [of("a", 4, 7, false)]);
    // They begin anew, or its end was there: it is another.
    let again = [failed(2, TIME), failed(3, TIME)];
    let two = [of("", 2, 0, false), of("a", 2, 7, false)];
    assert_eq!(read(&before, &gap(None), &again), two);
    let ended = [&before[..], &[summary(2, 0)]].concat();
    assert_eq!(read(&ended, &gap(None), &after), two);
    // What is lost says which, and is not to be relied upon, unless the session itself says so too.
    let lost = gap(Some(session("b", TIME)));
    let two = [of("a", 2, 0, false), of("b", 2, 7, true)];
    assert_eq!(read(&before, &lost, &again), two);
    let told = [&[session("b", TIME)], &again[..]].concat();
    let two = [of("a", 2, 0, false), of("b", 2, 7, false)];
    assert_eq!(read(&before, &lost, &told), two);
    let same = gap(Some(session("a", TIME)));
    assert_eq!(read(&before, &same, &after), [of("a", 4, 7, false)]);
}

#[test]
fn hostile_numbers_and_times_are_counted_at_the_most() {
    let r = report(&[&[
        session("web1", AT),
        failed(1, "not a time"),
        failed(2, "9999-12-30T22:00:00Z"),
        failed(3, "-009999-01-02T01:59:59Z"),
    ]]);
    assert_eq!((r.totals.failures, r.totals.without_time), (3, 1));
    let mut all = Aggregator::new(Wanted::default());
    for record in [
        failed(1, AT),
        repeat(1, u64::MAX, LATER, AT),
        repeat(1, u64::MAX, AT, "never"),
        repeat(2, u64::MAX, AT, AT),
        loss(u64::MAX, "x".into()),
        loss(u64::MAX, LossReason::Skipped),
        summary(1, u64::MAX),
    ] {
        let mut line = Vec::new();
        write_line(&mut line, &record).unwrap();
        all.take(line.trim_ascii_end()).unwrap();
    }
    assert_eq!(all.finish().totals.failures, u64::MAX);
}

#[test]
fn what_is_no_record_is_refused_and_counts_nothing() {
    let mut all = Aggregator::new(Wanted::default());
    for line in [
        "",
        "{}",
        "hello",
        "{\"type\":\"failure\",\"seq\":1}",
        "{\"type\":\"other\"}",
    ] {
        assert_eq!(all.take(line.as_bytes()), None, "{line}");
    }
    // The type may stand anywhere, as other programs write it.
    let line = serde_json::to_string(&failure(1, AT)).unwrap();
    let line = line.strip_suffix('}').unwrap().to_owned() + ",\"type\":\"failure\"}";
    assert_eq!(all.take(line.as_bytes()), Some(()));
    assert_eq!(all.finish().totals.told, 1);
}

#[test]
fn the_schema_describes_what_is_printed() {
    let r = report(&[&[session("web1", AT), failed(1, AT)]]);
    let value = serde_json::to_value(&r).unwrap();
    let schema = json_schema();
    let known = schema["properties"].as_object().unwrap();
    for name in value.as_object().unwrap().keys() {
        assert!(known.contains_key(name), "{name}");
    }
    // Single failures are for a page alone.
    assert!(known.contains_key("samples"));
    assert_eq!(known.len(), value.as_object().unwrap().len() + 1);
    assert_eq!(serde_json::from_value::<Report>(value).unwrap(), r);
}

#[test]
fn a_report_of_nothing_says_what_was_left_out() {
    let records = [session("web1", AT), failed(1, AT), failed(2, LATER)];
    let wanted = Wanted {
        since: Some("2030-01-01T00:00:00Z".parse().unwrap()),
        ..Wanted::default()
    };
    let r = filtered(wanted, &[&records]);
    assert_eq!((r.totals.failures, r.left_out.failures), (0, 2));
    let text = crate::view::report_text(&r, false, 80);
    assert!(
        text.contains("None of 2 failures (2026-01-01 00:00:00"),
        "{text}"
    );
    assert!(text.contains("--since leaves out"), "{text}");
    let text = crate::view::report_text(&report(&[&[]]), false, 80);
    assert!(text.contains("no records"), "{text}");
    assert!(!text.contains("Sessions"), "{text}");
}

/// Whether the repeats come before their failure or after it.
#[test]
fn what_is_left_out_counts_its_repeats() {
    let wanted = Wanted {
        user: Some("nosuch".to_owned()),
        ..Wanted::default()
    };
    let after = [session("web1", AT), failed(1, AT), repeat(1, 36, AT, LATER)];
    let before = [session("web1", AT), repeat(1, 36, AT, LATER), failed(1, AT)];
    for records in [after, before] {
        let r = filtered(wanted.clone(), &[&records]);
        assert_eq!((r.totals.failures, r.totals.unjudged), (0, 0));
        assert_eq!(r.left_out.failures, 37);
        assert_eq!(r.left_out.by["--user"], 37);
    }
}

/// The same recording twice, a copy of its beginning before the whole, and the other way round.
#[test]
fn a_recording_that_is_given_twice_counts_once() {
    let all = [
        session("web1", AT),
        repeat(9, 2, AT, AT),
        failed(1, AT),
        repeat(1, 36, AT, LATER),
        failed(2, LATER),
        repeat(2, 5, LATER, LATER),
        loss(3, LossReason::RingFull),
        summary(49, 3),
    ];
    let once = report(&[&all]);
    for files in [
        &[&all[..], &all][..],
        &[&all[..4], &all],
        &[&all, &all[..5]],
    ] {
        let r = report(files);
        assert!(r.totals.again >= 37, "{:?}", r.totals);
        let totals = Totals {
            again: 0,
            ..r.totals.clone()
        };
        assert_eq!(totals, once.totals);
        assert_eq!((&r.limits, &r.callers), (&once.limits, &once.callers));
        let text = crate::view::report_text(&r, false, 80);
        assert!(text.contains("more than once"), "{text}");
    }
    assert_eq!(once.totals.again, 0);
}

/// However many threads make out the lines, of whatever file: the sums, the damage and the error are those of
/// one thread. Plain lines with strange ones and a hole among them, frames of which some are damaged, and
/// what is no recording.
#[test]
fn threads_make_no_difference() {
    let mut lines = Vec::new();
    for session_of in 0..3 {
        write_line(&mut lines, &session(&format!("web{session_of}"), AT)).unwrap();
        for seq in 1..=2500_u64 {
            let record = with(seq, AT, |f| {
                f.caller.comm = format!("p{}", seq % 40);
                f.cgroup.path = Some(format!("/a/{}", seq % 300));
                f.limit.as_mut().unwrap().value = Some(seq % 7);
            });
            write_line(&mut lines, &record).unwrap();
            match seq % 50 {
                7 => write_line(&mut lines, &repeat(seq - 3, 5, AT, LATER)).unwrap(),
                9 => lines.extend_from_slice(b"no record\n\n \r\n"),
                11 => write_line(&mut lines, &loss(2, LossReason::RingFull)).unwrap(),
                _ => {}
            }
        }
        write_line(&mut lines, &summary(2500, 100)).unwrap();
    }
    assert!(lines.len() > 3 * ahead::WORTH);
    let mut frames = Vec::new();
    for (n, part) in lines.chunks(200_000).enumerate() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        std::io::Write::write_all(&mut encoder, part).unwrap();
        let mut frame = encoder.finish().unwrap();
        if n % 5 == 3 {
            let at = frame.len() / 2;
            frame[at] ^= 4;
        }
        frames.extend(frame);
    }
    let mut hole = lines.clone();
    hole[2_000_000..2_070_000].fill(0);
    let torn = &lines[..lines.len() - 9];
    let long = [&lines[..], &vec![b'x'; 3 << 20], b"\n", &lines].concat();
    let none = b"no record\n".repeat(300_000);
    for (name, bytes) in [
        ("plain", &*lines),
        ("torn", torn),
        ("hole", &hole),
        ("a long line", &long),
        ("frames", &frames),
        ("cut frames", &frames[..frames.len() - 5]),
        ("no recording", &none),
    ] {
        let read = |workers| {
            let mut sums = Aggregator::new(Wanted::default());
            let source = Box::new(std::io::Cursor::new(bytes.to_vec()));
            let mut reader = Reader::new("test".as_ref(), source).unwrap();
            let read = sums.read_with(&mut reader, workers);
            let error = read.err().map(|error| error.to_string());
            let report = serde_json::to_string(&sums.finish()).unwrap();
            (error, reader.damage(), report)
        };
        let alone = read(0);
        assert_eq!(alone.0.is_some(), name == "no recording", "{name}");
        for workers in 1..=3 {
            assert!(read(workers) == alone, "{name}, {workers} threads");
        }
    }
}

/// Of each kind of limit the first, the fullest and the latest, whole; and how full each limit was.
#[test]
fn a_page_has_single_failures_and_fullness_and_nothing_else_has() {
    let at = |minute: u64, usage| {
        let time = format!("2026-01-01T00:{minute:02}:00Z");
        with(minute + 1, &time, move |f| {
            f.limit.as_mut().unwrap().usage = Some(usage);
        })
    };
    let records = [at(3, 100), at(0, 90), at(1, 99), at(2, 120), at(4, 98)];
    let mut lines = Vec::new();
    for record in [session("web1", AT)].iter().chain(&records) {
        let mut line = Vec::new();
        write_line(&mut line, record).unwrap();
        lines.push(line);
    }
    let read = |mut report: Aggregator| {
        report.begin_file();
        for line in &lines {
            report.take(line.trim_ascii_end()).unwrap();
        }
        adds_up(report.finish())
    };
    let page = read(Aggregator::new(Wanted::default()).for_page());
    let usages: Vec<_> = page
        .samples
        .iter()
        .map(|sample| sample.failure.limit.as_ref().unwrap().usage.unwrap())
        .collect();
    assert_eq!(usages, [90, 120, 98]);
    let fullness = page.limits.rows[0].fullness.as_ref().unwrap();
    assert_eq!(fullness.usage.iter().flatten().max(), Some(&120));
    let plain = read(Aggregator::new(Wanted::default()));
    assert!(plain.samples.is_empty() && plain.limits.rows[0].fullness.is_none());
    assert_eq!(plain.totals, page.totals);
}
