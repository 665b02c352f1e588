use super::*;
use crate::{
    headroom::{
        Change, Drift, LogKind, LogLine, Of, Process, Refuses, Row, SettingKind, SubjectKind,
        Unreadable,
    },
    model::{Cause, Holder, HolderKind, Limit, LimitKind, Owner, Unit},
};

fn row(kind: LimitKind, owner: Owner, usage: u64, value: u64) -> Row {
    Row {
        limit: Limit {
            value: Some(value),
            usage: Some(usage),
            ..Limit::new(kind, owner, Unit::Tasks)
        },
        cause: Cause::CgroupPidsMax,
        refuses: Refuses::Tasks,
        percent: Some(usage as f64 / value as f64 * 100.0),
        reclaimable: None,
        next: None,
        exempt: None,
        owner: None,
        holders: Vec::new(),
        counts: None,
        notes: Vec::new(),
    }
}

fn sample() -> Headroom {
    let mut near = row(LimitKind::PidsMax, Owner::cgroup("/system.slice"), 95, 100);
    near.holders.push(Holder {
        kind: HolderKind::Program,
        name: "postgres".to_owned(),
        tasks: 90,
        zombies: 2,
        bytes: None,
        idle: None,
        detail: None,
    });
    Headroom {
        version: "0".to_owned(),
        host: "db1".to_owned(),
        kernel: "6.1".to_owned(),
        of: Of {
            kind: SubjectKind::Unit,
            name: Some("postgresql.service".to_owned()),
        },
        warn: 90.0,
        near: 1,
        limits: vec![near, row(LimitKind::ThreadsMax, Owner::Host, 5, 1000)],
        ..Headroom::default()
    }
}

fn shown(h: &Headroom) -> String {
    check_text(h, false, 80)
}

#[test]
fn the_nearest_limit_is_on_the_second_line() {
    let text = shown(&sample());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "forktrace 0: forks of unit postgresql.service on db1 (Linux 6.1)"
    );
    assert_eq!(
        lines[1],
        "pids.max of /system.slice is 95 % full: 95 of 100 tasks"
    );
    assert!(text.contains("what to do: forktrace explain cgroup_pids_max"));
    assert!(
        text.contains("held by 90 × postgres and 2 zombies"),
        "{text}"
    );
    assert!(text.contains("  0.5 %  kernel.threads-max"), "{text}");
    assert!(text.contains("none is in this cgroup"), "{text}");
}

#[test]
fn nothing_near_says_so() {
    let mut h = sample();
    h.near = 0;
    h.limits.remove(0);
    let text = shown(&h);
    let second = text.lines().nth(1).unwrap();
    assert!(
        second.starts_with("nothing at 90 % or above; nearest: kernel.threads-max"),
        "{second}"
    );
    assert!(!text.contains("what to do"), "{text}");
}

#[test]
fn eighty_columns_and_no_escape_sequences_whatever_the_names() {
    let mut h = sample();
    let hostile = "/\u{1b}[2J\u{202e}evil/".to_owned() + &"long".repeat(60);
    h.limits[0].limit.owner = Owner::cgroup(hostile);
    h.host = "\u{1b}]0;x\u{7}".to_owned();
    h.of.name = Some("\u{9b}31m".to_owned());
    h.process = Some(Process {
        comm: "\u{1b}[31m".to_owned(),
        alive: true,
        state: "sleeping".to_owned(),
        cgroup: Some("/a\nb".to_owned()),
        ..Process::default()
    });
    h.log.lines.push(LogLine {
        time: "2026-01-01T12:13:14.5Z".to_owned(),
        kind: LogKind::OomKill,
        text: "Out of memory: Killed process 1 (\u{1b}[31m)".to_owned(),
    });
    h.drift = Some(Drift {
        changes: vec![Change {
            kind: SettingKind::Sysctl,
            title: "t".to_owned(),
            owner: "host".to_owned(),
            was: None,
            is: None,
            text: "t was \u{1b}[1m, is 2".to_owned(),
        }],
        ..Drift::default()
    });
    h.unreadable.push(Unreadable {
        what: "\u{1b}x".to_owned(),
        why: "y".to_owned(),
    });
    let text = shown(&h);
    assert!(
        !text
            .chars()
            .any(|c| c != '\n' && crate::view::is_harmful(c)),
        "{text:?}"
    );
    assert!(text.contains("12:13:14  Out of memory"), "{text}");
    let table = text
        .lines()
        .skip_while(|line| !line.contains("in use"))
        .take(3);
    for line in table {
        assert!(textwrap::core::display_width(line) <= 80, "{line}");
    }
}
