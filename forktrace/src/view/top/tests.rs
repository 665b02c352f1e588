//! What a person sees, in columns.

use std::time::Duration;

use ratatui_core::{backend::TestBackend, terminal::Terminal};

use super::{Asked, Key, Top};
use crate::{
    headroom::{Refuses, Row},
    model::{Cause, Holder, HolderKind, Limit, LimitKind, Owner, Unit},
    record::Record,
    report::tests::{AT, failure, loss, repeat},
    view::is_harmful,
};

const HOSTILE: &str = "\u{1b}[2J</b>\n\u{202e}evil\u{9b}\0";

fn row(kind: LimitKind, owner: Owner, value: u64, usage: u64, unit: Unit) -> Row {
    let limit = Limit {
        value: Some(value),
        usage: Some(usage),
        ..Limit::new(kind, owner, unit)
    };
    Row {
        cause: Cause::of_limit(&limit.kind),
        percent: Some(usage as f64 / value as f64 * 100.0),
        limit,
        refuses: Refuses::Tasks,
        reclaimable: None,
        next: None,
        below: false,
        exempt: None,
        owner: None,
        full_in_seconds: None,
        holders: Vec::new(),
        counts: None,
        notes: Vec::new(),
    }
}

fn rows(second: u64) -> Vec<Row> {
    let slice = "/system.slice/postgresql.service";
    vec![
        row(
            LimitKind::PidsMax,
            Owner::cgroup(slice),
            100,
            40 + second,
            Unit::Tasks,
        ),
        row(
            LimitKind::RlimitNproc,
            Owner::user(1001),
            60,
            59,
            Unit::Tasks,
        ),
        row(LimitKind::PidMax, Owner::Host, 32_768, 1200, Unit::Ids),
        row(
            LimitKind::MemoryMax,
            Owner::cgroup("/a"),
            1 << 30,
            1 << 29,
            Unit::Bytes,
        ),
    ]
}

/// A host that has been watched for twenty seconds, with some failures.
fn busy() -> Top {
    let mut top = Top {
        title: "forktrace top: web1 (Linux 6.12.1), traced".to_owned(),
        clock: "13:14:15".to_owned(),
        ..Top::default()
    };
    for second in 0..20 {
        top.take_limits(Duration::from_secs(second), rows(second));
    }
    for (seq, second) in [(1, 3), (2, 9), (3, 18)] {
        let record = Record::Failure(Box::new(failure(seq, AT)));
        top.take_record(second, &record);
        top.take_record(second, &repeat(seq, 10 * seq, AT, AT));
    }
    top.take_record(18, &loss(4, "ring_full".into()));
    top.pass(19);
    top
}

fn draw(top: &Top, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| top.draw(frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height {
        let line: String = (0..width).map(|x| buffer[(x, y)].symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The screens stand in `snapshots/`; with FORKTRACE_SNAPSHOTS=1 they are written anew.
fn compare(name: &str, screen: &str) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/view/top/snapshots");
    let path = format!("{folder}/{name}.txt");
    if std::env::var_os("FORKTRACE_SNAPSHOTS").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, screen).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        screen == wanted,
        "{path} differs; FORKTRACE_SNAPSHOTS=1 writes it anew\n{screen}"
    );
}

#[test]
fn screens_of_all_widths() {
    for width in [40, 80, 160, 300] {
        compare(&format!("busy_{width}"), &draw(&busy(), width, 20));
    }
    let blind = Top {
        blind: Some("tracing needs root, or the capabilities CAP_BPF and CAP_PERFMON".to_owned()),
        ..busy()
    };
    compare("blind_80", &draw(&blind, 80, 14));
}

#[test]
fn answers_explanations_and_help_stand_on_top() {
    let mut top = busy();
    top.key(Key::Tab);
    assert_eq!(top.key(Key::Enter), Asked::Nothing);
    compare("answer_80", &draw(&top, 80, 24));
    top.key(Key::Char('e'));
    let explained = draw(&top, 80, 24);
    assert!(explained.contains(" cgroup_pids_max "), "{explained}");
    top.key(Key::Escape);
    top.key(Key::Char('?'));
    compare("help_40", &draw(&top, 40, 24));
    top.key(Key::Char('x'));
    assert_eq!(draw(&top, 80, 24).matches('┌').count(), 0);
    // Who fills a limit is asked of whoever can count.
    top.key(Key::Tab);
    top.key(Key::Home);
    assert_eq!(top.key(Key::Enter), Asked::Holders);
    let limit = top.marked_limit().unwrap().limit.clone();
    assert_eq!(limit.title(), "RLIMIT_NPROC of uid 1001");
    let holder = Holder {
        kind: HolderKind::Program,
        name: "java".to_owned(),
        tasks: 59,
        zombies: 0,
        bytes: None,
        idle: None,
        detail: None,
    };
    top.show_limit(&limit, vec![holder]);
    let shown = draw(&top, 80, 24);
    assert!(shown.contains("held by  59 × java"), "{shown}");
    assert_eq!(top.key(Key::Char('q')), Asked::Nothing);
    assert_eq!(top.key(Key::Char('q')), Asked::Quit);
}

#[test]
fn steady_growth_has_an_end_and_the_rest_has_none() {
    let screen = draw(&busy(), 80, 20);
    assert_eq!(screen.matches("full in").count(), 1, "{screen}");
    assert!(screen.contains("full in 41 s"), "{screen}");
}

#[test]
fn a_filter_hides_and_escape_shows_all_again() {
    let mut top = busy();
    for key in "/uid 1001".chars().map(Key::Char) {
        top.key(key);
    }
    top.key(Key::Enter);
    let screen = draw(&top, 80, 20);
    assert!(
        screen.contains("RLIMIT_NPROC") && !screen.contains("pid_max"),
        "{screen}"
    );
    assert!(screen.contains("Limits (1)"), "{screen}");
    assert_eq!(top.key(Key::Escape), Asked::Nothing);
    assert!(draw(&top, 80, 20).contains("pid_max"));
}

#[test]
fn sorting_changes_the_order_and_the_mark_stays_where_it_was() {
    let mut top = busy();
    let first = |top: &Top| draw(top, 120, 20).lines().nth(2).unwrap().to_owned();
    assert!(first(&top).contains("RLIMIT_NPROC"));
    let marked = top.marked_limit().unwrap().limit.title();
    assert_eq!(marked, "RLIMIT_NPROC of uid 1001");
    top.key(Key::Down);
    let marked = top.marked_limit().unwrap().limit.title();
    top.key(Key::Char('s'));
    assert!(first(&top).contains("full in"), "{}", first(&top));
    assert_eq!(top.marked_limit().unwrap().limit.title(), marked);
    top.key(Key::Char('s'));
    assert!(first(&top).contains("RLIMIT_NPROC"), "{}", first(&top));
}

#[test]
fn what_is_paused_stands_still_and_nothing_is_missed() {
    let mut top = busy();
    let before = draw(&top, 80, 20);
    top.key(Key::Char('p'));
    top.take_record(19, &Record::Failure(Box::new(failure(9, AT))));
    top.take_limits(Duration::from_secs(21), rows(50));
    let paused = draw(&top, 80, 20);
    assert_eq!(paused.replace(" paused", "       "), before);
    top.key(Key::Char('p'));
    let after = draw(&top, 80, 20);
    assert!(after.contains("Failures: 68"), "{after}");
    assert!(after.contains("90/100"), "{after}");
}

#[test]
fn of_a_recording_the_limits_are_those_that_failures_name() {
    let mut top = Top::default();
    let mut f = failure(1, AT);
    let mut other = Limit::new(LimitKind::RlimitNproc, Owner::user(5), Unit::Tasks);
    (other.value, other.usage) = (Some(50), Some(25));
    f.candidates = vec![other];
    let record = Record::Failure(Box::new(f));
    top.take_recorded_limits(&record);
    top.take_record(0, &record);
    let screen = draw(&top, 100, 16);
    assert!(screen.contains("100.0% 100/100 pids.max"), "{screen}");
    assert!(screen.contains("50.0%   25/50 RLIMIT_NPROC"), "{screen}");
    assert_eq!(top.key(Key::Enter), Asked::Nothing);
    assert!(draw(&top, 100, 16).contains("100.0 % full"));
}

#[test]
fn hostile_names_are_harmless_in_every_view() {
    let mut top = Top::default();
    let mut f = failure(1, AT);
    f.caller.comm = HOSTILE.to_owned();
    f.caller.exe = Some(HOSTILE.to_owned());
    f.caller.user = Some(HOSTILE.to_owned());
    f.cgroup.path = Some(HOSTILE.to_owned());
    f.cgroup.unit = Some(HOSTILE.to_owned());
    let limit = f.limit.as_mut().unwrap();
    limit.kind = HOSTILE.into();
    limit.owner = HOSTILE.into();
    f.fix[0].now = Some(HOSTILE.to_owned());
    let record = Record::Failure(Box::new(f.clone()));
    top.take_recorded_limits(&record);
    top.take_record(0, &record);
    let mut hostile = row(HOSTILE.into(), HOSTILE.into(), 9, 9, Unit::Tasks);
    hostile.owner = Some(HOSTILE.to_owned());
    hostile.notes = vec![HOSTILE.to_owned()];
    let mut live = top.clone();
    live.take_limits(Duration::ZERO, vec![hostile]);
    let limit = live.marked_limit().unwrap().limit.clone();
    live.show_limit(&limit, Vec::new());
    for (mut top, keys) in [
        (top.clone(), &[][..]),
        (top.clone(), &[Key::Enter]),
        (top, &[Key::Tab, Key::Enter]),
        (live, &[]),
    ] {
        for key in keys {
            top.key(*key);
        }
        for width in [20, 40, 80, 300] {
            let screen = draw(&top, width, 20);
            let harmful = screen.chars().find(|c| *c != '\n' && is_harmful(*c));
            assert_eq!(harmful, None, "{screen}");
        }
    }
}

#[test]
fn any_size_is_drawn() {
    let mut top = busy();
    for keys in [
        &[][..],
        &[Key::Char('?')],
        &[Key::Escape, Key::Tab, Key::Enter],
    ] {
        for key in keys {
            top.key(*key);
        }
        for (width, height) in [
            (1, 1),
            (20, 5),
            (21, 6),
            (40, 3),
            (59, 7),
            (120, 9),
            (300, 100),
        ] {
            draw(&top, width, height);
        }
    }
}

#[test]
fn storms_take_no_room() {
    let mut top = Top::default();
    for n in 0..3000u32 {
        let mut f = failure(n.into(), AT);
        f.caller.comm = format!("c{n}");
        f.limit.as_mut().unwrap().owner = Owner::cgroup(format!("/a{n}"));
        let record = Record::Failure(Box::new(f));
        top.take_record(n.into(), &record);
        top.take_recorded_limits(&record);
    }
    assert!(top.groups().len() <= 256 && top.lines().len() <= 512);
    assert!(top.shown().failures.callers().len() <= 256);
    assert_eq!(top.shown().failures.total, 3000);
}

/// What tells two limits apart is seen where there is room for it.
#[test]
fn titles_have_the_room_that_columns_leave() {
    let path = |n: u32| format!("/kubepods/burstable/pod-{n}/web-server");
    let rows = (1..4).map(|n| {
        let owner = Owner::cgroup(path(n).as_str());
        row(LimitKind::PidsMax, owner, 10, 4, Unit::Tasks)
    });
    let mut top = Top::default();
    top.take_limits(Duration::ZERO, rows.collect());
    let seen = draw(&top, 80, 24);
    for n in 1..4 {
        assert!(seen.contains(&path(n)), "{seen}");
    }
}

/// A page is made for this width: nothing of it is folded once more.
#[test]
fn an_explanation_is_folded_once() {
    let mut top = busy();
    top.key(Key::Char('e'));
    let seen = draw(&top, 80, 60);
    let folded = |line: &&str| {
        let text = line.trim_matches(['│', ' ']);
        !text.is_empty() && text.len() < 6 && !text.contains('/')
    };
    let alone: Vec<&str> = seen.lines().filter(folded).collect();
    assert!(alone.is_empty(), "{alone:?} in\n{seen}");
}

#[test]
fn victims_that_were_only_counted_are_victims() {
    let mut top = busy();
    top.take_record(20, &loss(3, crate::model::LossReason::OomKill));
    assert!(draw(&top, 80, 24).contains("3 OOM kills"));
}
