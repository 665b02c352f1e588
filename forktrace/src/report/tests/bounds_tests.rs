//! Tables without room, and what is no record or none that can be.

use super::*;

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

/// What a report can't know again is counted again, and it says so.
#[test]
fn records_beyond_those_that_are_known_again_are_told() {
    let mut all = Aggregator::new(Wanted::default());
    let mut read = |repeats: u64| {
        all.begin_file();
        all.take_record(&session("web1", AT));
        all.take_record(&failed(1, AT));
        for count in 1..=repeats {
            all.take_record(&repeat(1, count, AT, AT));
        }
        all.clone().finish()
    };
    let known = read(1000);
    assert!(known.totals.again_exact && !words(&known).contains("known again"));
    let json = serde_json::to_value(&known.totals).unwrap();
    assert_eq!(json.get("again_exact"), None);
    let more = read((1 << 18) + 1);
    assert!(!more.totals.again_exact && words(&more).contains("known again"));
    let json = serde_json::to_value(&more.totals).unwrap();
    assert_eq!(json["again_exact"], false);
}

fn words(report: &Report) -> String {
    crate::view::report_text(report, false, 200)
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
