//! What is counted, and how it is written.

use std::collections::BTreeMap;

use super::*;
use crate::{
    model::{Limit, LimitKind, Owner, Unit},
    record::{Alike, Failure, Loss, Repeat},
    report::tests::{failure, session},
};

fn metrics(series: usize) -> Metrics {
    let Record::Session(about) = session("web1", "2026-11-29T12:00:00Z") else {
        unreachable!("it is one");
    };
    Metrics::new(&about, series)
}

fn of_cgroup(seq: u64, path: &str) -> Record {
    let mut new = failure(seq, "2026-11-29T12:00:01Z");
    if let Some(limit) = &mut new.limit {
        limit.owner = Owner::cgroup(path);
    }
    Record::Failure(Box::new(new))
}

fn repeat(of: u64, count: u64, alike: Alike) -> Record {
    Record::Repeat(Repeat {
        of,
        count,
        first: String::new(),
        last: String::new(),
        alike,
    })
}

/// Samples by what stands before the value; none may come twice.
fn samples(metrics: &mut Metrics) -> BTreeMap<String, f64> {
    let text = metrics.text();
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let before = all.insert(name.to_owned(), value.parse().unwrap());
        assert_eq!(before, None, "{name}");
    }
    all
}

fn sum(all: &BTreeMap<String, f64>, family: &str) -> f64 {
    let of = all.iter().filter(|(name, _)| name.starts_with(family));
    of.map(|(_, value)| value).sum()
}

#[test]
fn a_failure_and_its_repeats_are_one_series() {
    let mut metrics = metrics(SERIES);
    metrics.take(&of_cgroup(1, "/a"));
    metrics.take(&repeat(1, 6, Alike::Process));
    metrics.take(&repeat(1, 2, Alike::UserAndCgroup));
    let all = samples(&mut metrics);
    let name = "forktrace_failures_total{cause=\"cgroup_pids_max\",errno=\"EAGAIN\",\
                operation=\"process\",limit=\"pids.max\",owner=\"/a\",unit=\"postgresql.service\"}";
    assert_eq!(all.get(name), Some(&9.0), "{all:?}");
    let by_cause = "forktrace_failures_by_cause_total{cause=\"cgroup_pids_max\"}";
    assert_eq!(all.get(by_cause), Some(&9.0));
    // From the start, so that the first failure is an increase.
    let never = "forktrace_failures_by_cause_total{cause=\"pid_max\"}";
    assert_eq!(all.get(never), Some(&0.0));
}

#[test]
fn what_has_no_series_of_its_own_is_in_one_that_says_other_and_sums_are_exact() {
    let mut metrics = metrics(10);
    for n in 0..1000 {
        metrics.take(&of_cgroup(n, &format!("/cgroup-{n}")));
        metrics.take(&repeat(n, 2, Alike::Process));
    }
    let all = samples(&mut metrics);
    let series = all
        .keys()
        .filter(|name| name.starts_with("forktrace_failures_total"));
    assert_eq!(series.count(), 11);
    assert_eq!(sum(&all, "forktrace_failures_total"), 3000.0);
    let other = all
        .iter()
        .find(|(name, _)| name.contains("owner=\"other\""));
    let (name, value) = other.unwrap();
    assert_eq!(*value, 2970.0);
    assert!(name.contains("cause=\"cgroup_pids_max\",errno=\"EAGAIN\",operation=\"process\""));
    // One that had a series keeps it.
    metrics.take(&of_cgroup(2000, "/cgroup-3"));
    let own = samples(&mut metrics);
    let own = own
        .iter()
        .find(|(name, _)| name.contains("owner=\"/cgroup-3\""));
    assert_eq!(own.map(|(_, value)| *value), Some(4.0));
}

#[test]
fn repeats_of_which_less_is_known_say_no_more() {
    let mut metrics = metrics(SERIES);
    metrics.take(&of_cgroup(1, "/a"));
    metrics.take(&repeat(1, 5, Alike::Check));
    // Of a failure that nobody remembers: counted, of no cause.
    metrics.take(&repeat(77, 3, Alike::Process));
    let all = samples(&mut metrics);
    assert_eq!(sum(&all, "forktrace_failures_total"), 9.0);
    let of = |what: &str| {
        let mut all = all.iter();
        all.find(|(name, _)| name.contains(what))
            .map(|(_, value)| *value)
    };
    assert_eq!(of("owner=\"/a\""), Some(1.0));
    assert_eq!(
        of("cause=\"cgroup_pids_max\",errno=\"EAGAIN\",operation=\"process\",limit=\"other\""),
        Some(5.0)
    );
    assert_eq!(sum(&all, "forktrace_failures_by_cause_total"), 9.0);
    assert_eq!(of("{cause=\"other\",errno=\"other\""), Some(3.0));
}

#[test]
fn a_recorder_of_weeks_remembers_a_bounded_number() {
    let mut metrics = metrics(SERIES);
    for n in 0..30_000 {
        metrics.take(&of_cgroup(n, "/a"));
    }
    metrics.take(&repeat(29_999, 1, Alike::Process));
    let all = samples(&mut metrics);
    assert_eq!(sum(&all, "forktrace_failures_total"), 30_001.0);
    assert!(!all.keys().any(|name| name.contains("other")));
}

#[test]
fn losses_are_no_failures_with_a_cause() {
    let mut metrics = metrics(SERIES);
    for (reason, count) in [
        (LossReason::RingFull, 3),
        (LossReason::RingFull, 4),
        (LossReason::Skipped, 5),
        (LossReason::OomKill, 6),
    ] {
        metrics.take(&Record::Loss(Loss {
            count,
            since: String::new(),
            reason,
        }));
    }
    let all = samples(&mut metrics);
    let lost = |reason: &str| {
        all.get(&format!(
            "forktrace_failures_lost_total{{reason=\"{reason}\"}}"
        ))
    };
    assert_eq!(lost("ring_full"), Some(&7.0));
    assert_eq!(lost("keys_full"), Some(&0.0));
    assert_eq!(lost("skipped"), None);
    assert_eq!(all["forktrace_returns_skipped_total"], 5.0);
    assert_eq!(all["forktrace_oom_kills_total"], 6.0);
    assert_eq!(sum(&all, "forktrace_failures_total"), 0.0);
    assert_eq!(all["forktrace_attached{style=\"fexit\"}"], 1.0);
    assert_eq!(all["forktrace_start_time_seconds"], 1_795_953_600.0);
}

#[test]
fn other_errnos_are_there_only_where_they_are_known() {
    let mut metrics = metrics(SERIES);
    assert!(!metrics.text().contains("forktrace_other_errnos_total"));
    metrics.set_other_errnos(Some(8));
    assert!(
        metrics
            .text()
            .contains("\nforktrace_other_errnos_total 8\n")
    );
}

/// Nanoseconds that this thread has had of a processor.
fn own_time() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = text.split(' ').next().and_then(|ns| ns.parse().ok());
    first.unwrap_or(0)
}

/// 10 ms of a processor is what a scrape may cost; nothing is optimised here, and the clock of it is coarse.
#[test]
fn ten_thousand_series_are_made_in_milliseconds() {
    let mut metrics = metrics(MOST_SERIES);
    for n in 0..20_000 {
        metrics.take(&of_cgroup(
            n,
            &format!("/kubepods/burstable/pod-{n}/container"),
        ));
    }
    let begun = own_time();
    let text = metrics.text();
    let took = own_time() - begun;
    assert!(text.lines().count() > MOST_SERIES);
    println!("{} bytes in {} us", text.len(), took / 1000);
    assert!(took < 100_000_000, "{took} ns");
}

/// What others have named stays within its quotes, and a line.
#[test]
fn hostile_names_forge_nothing() {
    let mut metrics = metrics(SERIES);
    let hostile = "/a\"} 1\nforktrace_failures_total 99\n# EOF\\";
    let mut new: Failure = failure(1, "2026-11-29T12:00:01Z");
    new.cgroup.unit = Some(hostile.to_owned());
    new.cgroup.container = Some(hostile.to_owned());
    new.limit = Some(Limit {
        value: Some(1),
        usage: Some(1),
        ..Limit::new(
            LimitKind::Other(hostile.to_owned()),
            Owner::cgroup(hostile),
            Unit::Tasks,
        )
    });
    metrics.take(&Record::Failure(Box::new(new)));
    let all = samples(&mut metrics);
    assert_eq!(sum(&all, "forktrace_failures_total"), 1.0);
    assert!(!metrics.text().contains("# EOF\n"));
}

/// What a textfile goes on saying once nobody writes it.
#[test]
fn who_has_ended_is_not_attached() {
    let mut metrics = metrics(SERIES);
    metrics.take(&of_cgroup(1, "/a"));
    assert_eq!(
        samples(&mut metrics)["forktrace_attached{style=\"fexit\"}"],
        1.0
    );
    metrics.set_ended();
    let all = samples(&mut metrics);
    assert_eq!(all["forktrace_attached{style=\"fexit\"}"], 0.0);
    assert_eq!(sum(&all, "forktrace_failures_total"), 1.0);
}

#[test]
fn the_text_is_made_once_until_something_changes() {
    let mut metrics = metrics(SERIES);
    let first = metrics.text();
    assert!(Rc::ptr_eq(&first, &metrics.text()));
    metrics.take(&of_cgroup(1, "/a"));
    assert!(!Rc::ptr_eq(&first, &metrics.text()));
}
