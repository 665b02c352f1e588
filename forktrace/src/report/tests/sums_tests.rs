//! What adds up: over hosts, files and sessions.

use super::*;

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

/// A user's tasks are counted in each user namespace by itself.
#[test]
fn a_user_has_a_limit_in_each_user_namespace() {
    let nproc = |seq, within: Option<u32>| {
        with(seq, AT, |f| {
            let limit = f.limit.as_mut().unwrap();
            limit.kind = LimitKind::RlimitNproc;
            limit.owner = Owner::user(1000);
            limit.within = within.map(Owner::user_namespace);
        })
    };
    let r = report(&[&[
        session("web1", AT),
        nproc(1, Some(4_026_532_200)),
        nproc(2, None),
        nproc(3, Some(4_026_532_300)),
        nproc(4, Some(4_026_532_200)),
        repeat(3, 4, AT, LATER),
    ]]);
    let rows: Vec<_> = r
        .limits
        .rows
        .iter()
        .map(|row| (row.title(), row.failures))
        .collect();
    let title = |within: &str| format!("RLIMIT_NPROC of uid 1000{within}");
    let wanted = [
        (title(" in user namespace 4026532300"), 5),
        (title(" in user namespace 4026532200"), 2),
        (title(""), 1),
    ];
    assert_eq!(rows, wanted);
    assert_eq!(r.limits.rows[0].scope.as_deref(), Some("uid 1000"));
    let json = serde_json::to_value(&r.limits.rows).unwrap();
    assert_eq!(json[0]["within"], "user namespace 4026532300");
    assert_eq!(json[2].get("within"), None);
    let kinds: Vec<_> = r
        .rolled
        .limits
        .rows
        .iter()
        .map(|row| (row.title(), row.limits))
        .collect();
    let wanted = [
        (title(" in user namespace *"), Some(2)),
        (title(""), Some(1)),
    ];
    assert_eq!(kinds, wanted);
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

/// Its first failures can come before kubelet has made its files.
#[test]
fn a_pod_is_called_by_name_once_a_record_has_it() {
    let of = |seq, uid: &str, name: Option<&str>| {
        with(seq, AT, |f| {
            f.cgroup.path = Some(format!("/kubepods/pod{uid}"));
            f.cgroup.pod = Some(uid.to_owned());
            f.cgroup.namespace = name.map(|_| "shop".to_owned());
            f.cgroup.pod_name = name.map(str::to_owned);
        })
    };
    let r = report(&[&[
        session("node-1", AT),
        of(1, "u1", None),
        of(2, "u1", Some("web-0")),
        of(3, "u2", None),
    ]]);
    let pods: Vec<_> = r
        .pods
        .iter()
        .map(|row| (row.failures, row.shown()))
        .collect();
    assert_eq!(pods, [(2, "shop/web-0"), (1, "u2")]);
    let rolled: Vec<_> = r.rolled.pods.rows.iter().map(|row| row.shown()).collect();
    assert_eq!(rolled, [Some("shop/web-0"), Some("u2")]);
    assert_eq!(r.pods[0].name, "u1");
}
