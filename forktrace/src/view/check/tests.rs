use super::*;
use crate::{
    headroom::{
        Change, Drift, Earlier, LogKind, LogLine, Of, Process, Refuses, Row, SettingKind,
        SubjectKind, Unreadable, Unseen,
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
        below: false,
        exempt: None,
        owner: None,
        full_in_seconds: None,
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
        of: Unseen::Others,
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

/// Inside of a container that shows no cgroups, nothing near is no all-clear.
#[test]
fn what_is_not_seen_comes_before_what_is_fine() {
    let mut h = sample();
    h.near = 0;
    h.limits.remove(0);
    h.unreadable.push(Unreadable {
        of: Unseen::Cgroups,
        // Wherever they are mounted.
        what: "/mnt/groups/a/pids.max".to_owned(),
        why: "permission denied".to_owned(),
    });
    let text = shown(&h);
    let of = |what: &str| text.find(what).unwrap_or(usize::MAX);
    assert!(of("can't be read") < of("nothing at 90 %"), "{text}");
}

/// The creator's limit may be the one that refuses, with the process's own far away.
#[test]
fn a_user_namespaces_limit_is_no_all_clear_for_who_is_in_it() {
    let mut h = sample();
    h.near = 0;
    h.limits.remove(0);
    h.unreadable.push(Unreadable {
        of: Unseen::UserNamespace,
        what: "the limit of user namespace 7: the RLIMIT_NPROC that uid 1000 had".to_owned(),
        why: "no file shows it".to_owned(),
    });
    for (kind, first) in [(SubjectKind::Process, true), (SubjectKind::Host, false)] {
        h.of.kind = kind;
        let text = shown(&h);
        let of = |what: &str| text.find(what).unwrap_or(usize::MAX);
        let is_first = of("user namespace 7") < of("nothing at 90 %");
        assert_eq!(is_first, first, "{text}");
    }
}

fn printed(format: &Format<Headroom>, h: &Headroom) -> String {
    let bytes = format.render(h, crate::view::Look::PLAIN).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn one_line_says_as_much_as_the_exit_status() {
    let mut h = sample();
    let line = printed(&short::FORMAT, &h);
    assert!(h.is_fault());
    assert_eq!(
        line,
        "forktrace WARNING: pids.max of /system.slice is 95 % full: 95 of 100 tasks; held by 90 × \
         postgres and 2 zombies\n"
    );
    h.near = 0;
    h.limits.remove(0);
    let line = printed(&short::FORMAT, &h);
    assert!(
        line.starts_with("forktrace OK: nothing at 90 % or above; nearest: kernel.threads-max")
    );
    h.unreadable.push(Unreadable {
        of: Unseen::Cgroups,
        what: "limits of all cgroups\n\u{1b}[2J".to_owned(),
        why: "no".to_owned(),
    });
    let line = printed(&short::FORMAT, &h);
    assert!(
        line.contains("; can't be read: limits of all cgroups"),
        "{line}"
    );
    assert!(
        line.lines().count() == 1 && !line.contains('\u{1b}'),
        "{line}"
    );
}

#[test]
fn more_tasks_are_told_by_the_first_that_is_refused() {
    let mut h = sample();
    h.limits
        .push(row(LimitKind::RlimitNproc, Owner::user(7), 90, 100));
    h.would = Some(crate::headroom::would(&h, 50));
    let text = shown(&h);
    let told: Vec<&str> = text
        .lines()
        .skip_while(|line| *line != "50 more tasks")
        .collect();
    assert_eq!(
        told[1].trim(),
        "no. 6 and each after it would be refused by pids.max of /system.slice (95 of"
    );
    assert!(
        text.contains("with that raised, no. 11 and each after it"),
        "{text}"
    );
    assert!(h.is_fault());
    assert!(printed(&short::FORMAT, &h).starts_with(
        "forktrace WARNING: of 50 more, no. 6 and each after it would be refused by pids.max"
    ));
    // A limit is near, and has room for what is asked.
    h.would = Some(crate::headroom::would(&h, 5));
    assert!(shown(&h).contains("none would be refused") && !h.is_fault());
    assert!(printed(&short::FORMAT, &h).starts_with("forktrace OK: none of 5 more"));
}

/// Limits of mappings refuse threads alone: whoever asks for processes reads on.
#[test]
fn of_more_tasks_it_is_told_what_refuses_threads_alone() {
    let mut h = sample();
    h.near = 0;
    let of = |kind, usage, value, unit| {
        let mut row = row(kind, Owner::Process, usage, value);
        row.limit.unit = unit;
        row.refuses = Refuses::Threads;
        row
    };
    h.limits = vec![
        of(LimitKind::MaxMapCount, 65_500, 65_530, Unit::Mappings),
        of(LimitKind::RlimitAs, 20 << 20, 100 << 20, Unit::Bytes),
        row(LimitKind::PidsMax, Owner::cgroup("/a"), 60, 100),
    ];
    h.process = Some(Process {
        thread_stack: Some(8 << 20),
        ..Process::default()
    });
    h.would = Some(crate::headroom::would(&h, 50));
    assert!(h.is_fault());
    let text = check_text(&h, false, WIDEST).replace("\n  ", " ");
    for told in [
        " no. 11 and each after it would be refused by RLIMIT_AS of process (20.0 MiB of 100 MiB in use), if they are \
         threads with stacks of 8.0 MiB",
        " with that raised, no. 16 and each after it would be refused by vm.max_map_count of process (65500 of 65530 \
         in use), if they are threads",
        " otherwise, or with that raised, no. 41 and each after it would be refused by pids.max of /a (60 of 100 in use)",
    ] {
        assert!(text.contains(told), "{text}");
    }
}

/// That a limit can't be read is told to those who ask for somebody's forks.
#[test]
fn one_line_gives_no_all_clear_for_what_it_has_not_read() {
    let mut h = sample();
    h.unreadable.push(Unreadable {
        of: Unseen::Others,
        what: "RLIMIT_NPROC of uid 4242".to_owned(),
        why: "no".to_owned(),
    });
    h.would = Some(crate::headroom::would(&h, 3));
    for (kind, told) in [(SubjectKind::User, true), (SubjectKind::Host, false)] {
        h.of.kind = kind;
        let line = printed(&short::FORMAT, &h);
        let says = line.contains("; can't be read: RLIMIT_NPROC of uid 4242");
        assert_eq!(says, told, "{line}");
    }
}

#[test]
fn the_next_start_is_the_unit_s_by_its_name() {
    let mut h = sample();
    let path = "/system.slice/system-postgresql.slice/postgresql@15-main.service";
    let mut start = row(LimitKind::PidsMax, Owner::cgroup(path), 0, 1);
    start.next = Some(crate::headroom::Next::Start);
    h.limits.insert(0, start);
    let text = shown(&h);
    assert!(
        text.contains("next start of postgresql@15-main.service"),
        "{text}"
    );
}

#[test]
fn one_line_counts_what_has_changed() {
    let mut h = sample();
    assert!(!printed(&short::FORMAT, &h).contains("baseline"));
    let change = Change {
        kind: SettingKind::Sysctl,
        title: "kernel.pid_max".to_owned(),
        owner: "host".to_owned(),
        was: None,
        is: None,
        text: "kernel.pid_max was 1\n, is 2".to_owned(),
    };
    for (changes, said) in [
        (vec![], "; no setting changed since the baseline"),
        (
            vec![change.clone()],
            "; 1 setting changed (kernel.pid_max was 1",
        ),
        (
            vec![change.clone(), change],
            "; 2 settings changed since the baseline",
        ),
    ] {
        h.drift = Some(Drift {
            changes,
            ..Drift::default()
        });
        let line = printed(&short::FORMAT, &h);
        assert!(line.contains(said) && line.lines().count() == 1, "{line}");
    }
}

#[test]
fn every_limit_has_a_bar() {
    let mut h = sample();
    for n in 0..40 {
        let path = format!("/system.slice/a{n}.service");
        h.limits
            .push(row(LimitKind::PidsMax, Owner::cgroup(path), n, 100));
    }
    let text = printed(&ALL, &h);
    let is_bar = |line: &&str| line.contains(['░', '█']);
    let bars: Vec<&str> = text.lines().filter(is_bar).collect();
    assert_eq!(bars.len(), 42);
    assert!(
        bars[0].trim_start().starts_with(&"█".repeat(10)),
        "{}",
        bars[0]
    );
    assert!(bars[3].trim_start().starts_with("█░"), "{}", bars[3]);
    assert!(
        bars.iter()
            .all(|line| textwrap::core::display_width(line) <= 80)
    );
    assert!(!text.contains("Memory"));
}

#[test]
fn refusals_of_before_lead_to_what_is_known_of_them() {
    let mut h = sample();
    assert!(!shown(&h).contains("--past"));
    h.earlier = Some(Earlier {
        cgroups: 1,
        refused: 57,
    });
    let text = shown(&h);
    assert!(text.contains("1 cgroup counts 57 tasks refused"), "{text}");
    assert!(text.contains("forktrace check --past"), "{text}");
}

/// What maps no stack is refused by no limit of mappings, and what copies no address space still promises one.
#[test]
fn a_limit_says_which_creations_it_refuses() {
    let mut h = sample();
    h.near = 0;
    let of = |refuses, kind| Row {
        refuses,
        ..row(kind, Owner::Process, 60, 100)
    };
    h.limits = vec![
        of(Refuses::Processes, LimitKind::CommitLimit),
        of(Refuses::Processes, LimitKind::RamAndSwap),
        of(Refuses::Threads, LimitKind::MaxMapCount),
    ];
    let text = check_text(&h, false, WIDEST).replace("\n    ", " ");
    for told in [
        "CommitLimit of process: refuses processes, and where little is left the stacks of new threads and of \
         posix_spawn; not vfork\n",
        "vm.overcommit_memory of process: refuses processes, not threads, vfork or posix_spawn\n",
        "vm.max_map_count of process: refuses the stacks of new threads and of posix_spawn, not fork or vfork\n",
    ] {
        assert!(text.contains(told), "{text}");
    }
}
