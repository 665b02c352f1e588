//! What was asked for: filters, a page, and what is printed.

use super::*;
use crate::recording::Filter;

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

/// Counts are read once a second while failures come: what was lost in the first second of a storm is lost since the
/// last one.
#[test]
fn a_loss_is_of_the_time_of_its_storm() {
    let storm = "2026-01-08T12:00:00Z";
    let records = [
        session("web1", AT),
        failed(1, storm),
        loss(5000, LossReason::RingFull),
        summary(5001, 5000),
    ];
    let wanted = |since: Option<&str>, until: Option<&str>| {
        let time = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let wanted = Wanted {
            since: time(since),
            until: time(until),
            ..Wanted::default()
        };
        let mut filter = Filter::new(wanted.clone());
        let passed = records
            .iter()
            .filter_map(|record| filter.pass(record.clone()));
        let is_passed = passed.collect::<Vec<_>>().len() == 4;
        let r = filtered(wanted, &[&records]);
        assert_eq!(is_passed, r.totals.lost == 5000, "{since:?} {until:?}");
        assert_eq!(filter.left_out(), &r.left_out);
        r
    };
    let all = report(&[&records]).totals;
    assert_eq!((all.lost, all.first.as_deref()), (5000, Some(storm)));
    assert_eq!(wanted(Some("2026-01-08T00:00:00Z"), None).totals.lost, 5000);
    let before = wanted(None, Some("2026-01-02T00:00:00Z"));
    assert_eq!(before.totals.failures, 0);
    assert_eq!(before.left_out.failures, 5001);
    assert_eq!(before.left_out.first.as_deref(), Some(storm));
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
