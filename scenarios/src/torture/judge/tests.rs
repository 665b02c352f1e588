//! Made-up refusals and records.

use super::*;
use crate::torture::reported::{Bound, Repeated};

fn truth(tid: u32, begin: u64, cause: &'static str, owner: &str) -> Truth {
    Truth {
        tid,
        process: tid,
        begin,
        end: begin + 60_000,
        errno: libc::EAGAIN,
        cause: Some(cause),
        owners: vec![owner.to_owned()],
        ..Truth::default()
    }
}

fn reported(seq: u64, tid: u32, time: u64, cause: &str, owner: &str) -> Reported {
    Reported {
        seq,
        tid,
        process: tid,
        time,
        errno: libc::EAGAIN,
        cause: cause.to_owned(),
        certainty: Certainty::Observed,
        limit: Some(Bound {
            scope: owner.to_owned(),
            ..Bound::default()
        }),
        words: String::new(),
    }
}

fn judged(truths: &[Truth], reported: Vec<Reported>, repeats: &[(u64, u64)], lost: u64) -> Verdict {
    let mut known = BySeq::default();
    known.learn(&reported);
    let repeated = repeats.iter().map(|&(of, count)| Repeated {
        of,
        count,
        alike: Alike::Process,
    });
    let records = Records {
        failures: reported,
        repeated: repeated.collect(),
        lost,
        skipped: 0,
    };
    judge(truths, &records, &known)
}

fn faults(verdict: &Verdict) -> Vec<(Fault, u64)> {
    verdict
        .wrong
        .iter()
        .map(|wrong| (wrong.fault, wrong.count))
        .collect()
}

const MS: u64 = 1_000_000;

#[test]
fn each_record_meets_its_refusal() {
    let truths = [
        truth(7, MS, "threads_max", "host"),
        truth(7, 2 * MS, "rlimit_nproc", "uid 5"),
        truth(8, MS, "pid_max", "host"),
    ];
    let right = vec![
        reported(1, 7, MS + 50_000, "threads_max", "host"),
        reported(2, 7, 2 * MS + 50_000, "rlimit_nproc", "uid 5"),
        reported(3, 8, MS + 50_000, "pid_max", "host"),
    ];
    let verdict = judged(&truths, right, &[], 0);
    assert_eq!(
        (verdict.wrong, verdict.missed, verdict.observed),
        (vec![], 0, 3)
    );
    let swapped = vec![
        reported(1, 7, MS + 50_000, "rlimit_nproc", "uid 5"),
        reported(2, 7, 2 * MS + 50_000, "rlimit_nproc", "uid 6"),
    ];
    let verdict = judged(&truths, swapped, &[], 1);
    assert_eq!(faults(&verdict), [(Fault::Cause, 1), (Fault::Owner, 1)]);
    assert_eq!(verdict.missed, 0);
}

#[test]
fn a_time_within_the_call_or_after_it() {
    // 100 us apart, each of 60 us.
    for off in [0, 55_000, 95_000] {
        let truths: Vec<Truth> = (0..20)
            .map(|n| truth(7, MS + n * 100_000, ["pid_max", "lsm"][n as usize % 2], "x"))
            .collect();
        let all = (0..20).map(|n| {
            reported(
                n,
                7,
                MS + n * 100_000 + off,
                ["pid_max", "lsm"][n as usize % 2],
                "x",
            )
        });
        let verdict = judged(&truths, all.collect(), &[], 0);
        assert_eq!((verdict.wrong, verdict.missed), (vec![], 0), "{off}");
    }
}

#[test]
fn missed_and_extra() {
    let truths = [
        truth(7, MS, "pid_max", "host"),
        truth(7, 2 * MS, "pid_max", "host"),
    ];
    let verdict = judged(
        &truths,
        vec![reported(1, 7, MS + 9, "pid_max", "host")],
        &[],
        0,
    );
    assert_eq!((verdict.missed, verdict.extra), (1, 0));
    let three = (1..=3).map(|n| reported(n, 7, n * MS + 9, "pid_max", "host"));
    let verdict = judged(&truths, three.collect(), &[], 0);
    assert_eq!((verdict.missed, verdict.extra), (0, 1));
    let verdict = judged(
        &truths,
        vec![reported(1, 7, MS + 9, "pid_max", "host")],
        &[(1, 4)],
        0,
    );
    assert_eq!((verdict.missed, verdict.extra), (0, 3));
}

#[test]
fn repeats_by_cause_and_owner() {
    let mut truths = vec![truth(7, MS, "rlimit_nproc", "uid 5")];
    truths.extend((2..=4).map(|n| truth(7, n * MS, "rlimit_nproc", "uid 5")));
    truths.extend((5..=9).map(|n| truth(7, n * MS, "threads_max", "host")));
    let first = || vec![reported(1, 7, MS + 9, "rlimit_nproc", "uid 5")];
    // All eight as the neighbour's.
    let verdict = judged(&truths, first(), &[(1, 8)], 0);
    assert_eq!(faults(&verdict), [(Fault::Count, 5)]);
    assert_eq!((verdict.missed, verdict.extra), (0, 0));
    // Said to be undecided: nothing is wrong.
    let mut open = reported(2, 7, 5 * MS + 9, "unknown", "");
    open.certainty = Certainty::Unknown;
    let mut both = first();
    both.push(open);
    let verdict = judged(&truths, both, &[(1, 3), (2, 4)], 0);
    assert_eq!((faults(&verdict), verdict.unknown), (vec![], 5));
}

#[test]
fn what_the_oracle_leaves_open_is_not_compared() {
    let mut open = truth(7, MS, "pid_max", "host");
    open.cause = None;
    open.owners.clear();
    let verdict = judged(&[open], vec![reported(1, 7, MS + 9, "lsm", "x")], &[], 0);
    assert_eq!((verdict.wrong, verdict.undecided), (vec![], 1));
}

#[test]
fn numbers_that_contradict() {
    let full = |usage, value| {
        let mut reported = reported(1, 7, MS + 9, "cgroup_pids_max", "/a");
        reported.limit = Some(Bound {
            scope: "/a".to_owned(),
            value: Some(value),
            usable: Some(value),
            usage: Some(usage),
        });
        vec![reported]
    };
    let mut truths = [truth(7, MS, "cgroup_pids_max", "/a")];
    assert_eq!(faults(&judged(&truths, full(3, 3), &[], 0)), []);
    assert_eq!(
        faults(&judged(&truths, full(2, 3), &[], 0)),
        [(Fault::Numbers, 1)]
    );
    truths[0].usage = Some(4);
    assert_eq!(
        faults(&judged(&truths, full(3, 3), &[], 0)),
        [(Fault::Numbers, 1)]
    );
}

#[test]
fn of_two_refusals_that_are_close_a_record_is_of_the_one_that_it_names() {
    let close = |apart: u64| {
        let truths = [
            truth(7, MS, "cgroup_pids_max", "/a"),
            truth(7, MS + apart, "cgroup_pids_max", "/b"),
        ];
        // Nearer to the second by the clocks' disagreement.
        let reported = vec![reported(1, 7, MS + apart + 10_000, "cgroup_pids_max", "/a")];
        faults(&judged(&truths, reported, &[], 1))
    };
    assert_eq!(close(90_000), []);
    assert_eq!(close(900_000), [(Fault::Owner, 1)]);
}

#[test]
fn repeats_without_a_cause_take_what_no_other_names() {
    let truths: Vec<Truth> = (1..=4)
        .map(|n| match n {
            1 | 2 => Truth {
                owners: Vec::new(),
                ..truth(7, n * MS, "lsm", "")
            },
            _ => truth(7, n * MS, "rlimit_nproc", "uid 5"),
        })
        .collect();
    let mut unknown = reported(1, 7, MS + 50_000, "unknown", "");
    unknown.certainty = Certainty::Unknown;
    unknown.limit = None;
    let named = reported(2, 7, 3 * MS + 50_000, "rlimit_nproc", "uid 5");
    let repeats = [(1, 1), (2, 1)];
    let verdict = judged(&truths, vec![unknown, named], &repeats, 0);
    assert_eq!((faults(&verdict), verdict.unknown), (vec![], 2));
}
