//! What the screen looks like, of sequences of records: each scene at 80 and at 120 columns, with the
//! digest under it, compared with a file of `golden/`.

use std::time::Duration;

use super::*;
use crate::{
    model::{Cause, Errno, Holder, HolderKind, LimitKind, Operation, Owner},
    record::Alike,
    report::{
        Aggregator,
        tests::{failure, session},
    },
    view::report_digest,
};

const START: &str = "2026-01-01T08:35:40Z";

/// Milliseconds after [`START`].
fn at(milliseconds: u64) -> String {
    let start: jiff::Timestamp = START.parse().unwrap();
    let at = start.as_millisecond() + i64::try_from(milliseconds).unwrap();
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

/// The records of a scene.
#[derive(Default)]
struct Scene {
    records: Vec<Record>,
    failures: u64,
}

impl Scene {
    fn new() -> Self {
        Self {
            records: vec![session("web1", START)],
            failures: 0,
        }
    }

    fn refuse(&mut self, milliseconds: u64, change: impl FnOnce(&mut Failure)) -> &mut Self {
        let seq = self.records.len() as u64;
        let mut failure = failure(seq, &at(milliseconds));
        change(&mut failure);
        self.records.push(Record::Failure(Box::new(failure)));
        self.failures += 1;
        self
    }

    fn repeat(&mut self, count: u64, first: u64, last: u64, alike: Alike) -> &mut Self {
        let latest = self.records.iter().rev().find_map(|record| match record {
            Record::Failure(failure) => Some(failure.seq),
            _ => None,
        });
        self.records.push(Record::Repeat(Repeat {
            of: latest.unwrap(),
            count,
            first: at(first),
            last: at(last),
            alike,
        }));
        self.failures += count;
        self
    }

    fn end(mut self, milliseconds: u64) -> Vec<Record> {
        self.records.push(Record::Summary(Summary {
            ended: at(milliseconds),
            failures: self.failures,
            causes: [("cgroup_pids_max".to_owned(), self.failures)].into(),
            ..Summary::default()
        }));
        self.records
    }
}

fn called(f: &mut Failure, program: &str, pid: u32) {
    f.caller.pid = pid;
    f.caller.tid = pid;
    f.caller.ppid = 812;
    program.clone_into(&mut f.caller.comm);
    f.caller.exe = Some(format!("/usr/bin/{program}"));
}

fn limit(f: &mut Failure, cgroup: &str, value: u64, usage: u64) {
    let limit = f.limit.as_mut().unwrap();
    limit.owner = Owner::cgroup(cgroup);
    limit.value = Some(value);
    limit.usage = Some(usage);
    limit.file = Some(format!("/sys/fs/cgroup{cgroup}/pids.max"));
    f.cgroup.path = Some(cgroup.to_owned());
    f.cgroup.unit = None;
    f.summary = format!(
        "The pids controller refused a new process: its cgroup {cgroup} has {usage} of {value} tasks."
    );
    let double = 2 * value;
    f.fix = vec![Fix {
        now: Some(format!("echo {double} > /sys/fs/cgroup{cgroup}/pids.max")),
        persistent: Some("raise the limit where this cgroup is set up".to_owned()),
        note: None,
    }];
}

fn holder(name: &str, tasks: u64, zombies: u64, detail: Option<&str>) -> Holder {
    Holder {
        kind: HolderKind::Program,
        name: name.to_owned(),
        tasks,
        zombies,
        bytes: None,
        idle: None,
        detail: detail.map(str::to_owned),
    }
}

/// The page's own reproduction: 400 short processes, refused by a limit of three.
fn short_processes() -> Vec<Record> {
    let mut scene = Scene::new();
    for n in 0..400_u64 {
        scene.refuse(n * 26 / 4, |f| {
            called(f, "sh", 20_000 + n as u32);
            limit(f, "/ux_f", 3, 3);
            if n == 0 {
                f.holders = ["bash", "sh", "sleep"]
                    .map(|name| holder(name, 1, 0, None))
                    .to_vec();
            }
        });
    }
    scene.end(2700)
}

/// `:(){ :|:& };:` under a limit of sixty, for eight seconds.
fn fork_bomb() -> Vec<Record> {
    let mut scene = Scene::new();
    for n in 0..204_u64 {
        scene.refuse(n * 40, |f| {
            called(f, "bash", 20_000 + n as u32);
            limit(f, "/bomb", 60, 60);
            if n % 100 == 0 {
                let zombies = 10 + n / 10;
                let detail = format!("zombies of pid {} bash", 20_000 + n);
                f.holders = vec![holder("bash", 60 - zombies, zombies, Some(&detail))];
                f.fix.push(Fix {
                    now: None,
                    persistent: None,
                    note: Some(format!(
                        "{zombies} of the 60 tasks counted are zombies: a higher limit only lasts until as many more have ended; the parent that does not reap them has to be mended"
                    )),
                });
            }
        });
    }
    scene.end(8300)
}

/// One process, many threads.
fn java() -> Vec<Record> {
    let mut scene = Scene::new();
    for n in 0..16_u64 {
        scene.refuse(n * 3, |f| {
            called(f, "java", 3100);
            f.caller.tid = 3200 + n as u32;
            "http-nio-8080-e".clone_into(&mut f.caller.comm);
            f.operation = Operation::Thread;
            f.syscall = Some("clone3".to_owned());
            limit(f, "/system.slice/tomcat.service", 60, 60);
            f.cgroup.unit = Some("tomcat.service".to_owned());
            if n == 0 {
                f.holders = vec![holder("java", 60, 0, Some("pid 3100"))];
            }
        });
    }
    scene.repeat(428, 60, 900, Alike::Process);
    scene.end(1200)
}

/// Idle backends: the advice that matters is a note.
fn postgres() -> Vec<Record> {
    let mut scene = Scene::new();
    for n in 0..6_u64 {
        scene.refuse(n * 1300, |f| {
            called(f, "postgres", 812);
            limit(f, "/system.slice/postgresql.service", 12, 12);
            if n == 0 {
                f.holders = vec![holder("postgres", 12, 0, Some("6 idle"))];
                f.fix.push(Fix {
                    now: None,
                    persistent: None,
                    note: Some("6 of the 12 tasks counted wait for their clients: a connection pooler, or fewer connections, is what lasts".to_owned()),
                });
            }
        });
    }
    scene.end(7000)
}

/// One attempt, and none afterwards.
fn nginx() -> Vec<Record> {
    let mut scene = Scene::new();
    scene.refuse(0, |f| {
        called(f, "nginx", 700);
        limit(f, "/system.slice/nginx.service", 4, 4);
        f.holders = vec![holder("nginx", 4, 0, None)];
    });
    scene.end(90_000)
}

/// Without another attempt it is said what that means, where the catalogue knows the program.
#[test]
fn who_asks_no_more_is_named_with_what_brings_it_back() {
    let text = |programs: &[Option<&str>]| {
        let mut scene = Scene::new();
        for (n, program) in programs.iter().enumerate() {
            scene.refuse(n as u64, |f| {
                called(f, "nginx", 700 + n as u32);
                f.caller.catalogued = program.map(str::to_owned);
                limit(f, "/system.slice/nginx.service", 4, 4);
            });
        }
        printed(&scene.end(90_000), 300, Look::PLAIN)
    };
    let one = text(&[Some("nginx")]);
    let told = "nginx[700] has not tried again: it asks no more until it is reloaded, whatever room there is\n";
    assert!(one.contains(told), "{one}");
    let both = text(&[Some("nginx"), Some("nginx")]);
    assert!(
        both.contains("tried again: each asks no more until"),
        "{both}"
    );
    // Another program of the same limit's asks again, or isn't known.
    for others in [[Some("nginx"), Some("perl")], [Some("nginx"), None]] {
        let mixed = text(&others);
        let mut lines = mixed.lines();
        let line = lines.find(|line| line.contains("no further attempt for a minute"));
        assert!(!line.unwrap().contains("until it is"), "{mixed}");
    }
}

/// Three limits at once, one of them with two values.
fn several_limits() -> Vec<Record> {
    let mut scene = Scene::new();
    for n in 0..90_u64 {
        scene.refuse(n * 50, |f| match n % 3 {
            0 => {
                called(f, "sh", 20_000 + n as u32);
                limit(f, "/a", 10, 10);
            }
            1 => {
                called(f, "cc1", 4000);
                limit(f, "/b/c", 20, 20);
            }
            _ => {
                called(
                    f,
                    if n % 2 == 0 { "java" } else { "python3" },
                    5000 + (n % 2) as u32,
                );
                let value = if n % 2 == 0 { 60 } else { 20 };
                limit(f, "/", value, value);
                f.cause = Cause::RlimitNproc;
                let limit = f.limit.as_mut().unwrap();
                limit.kind = LimitKind::RlimitNproc;
                limit.owner = Owner::User {
                    uid: 1001,
                    userns: None,
                };
                f.cgroup.path = Some("/user.slice".to_owned());
                f.summary = format!("uid 1001 has {value} of {value} tasks (RLIMIT_NPROC).");
                f.fix = vec![Fix {
                    now: None,
                    persistent: Some(format!(
                        "/etc/security/limits.d/: ann - nproc {}",
                        2 * value
                    )),
                    note: None,
                }];
            }
        });
    }
    scene.end(5000)
}

fn printed(records: &[Record], width: usize, look: Look) -> String {
    let mut out = Vec::new();
    let mut screen = open(Box::new(&mut out), Look { width, ..look });
    let mut sums = Aggregator::for_digest();
    for record in records {
        screen.show(record).unwrap();
        sums.take_record(record);
    }
    screen.settle().unwrap();
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    text + &report_digest(&sums.finish(), false, width)
}

/// To write them anew: FORKTRACE_GOLDEN=write cargo test -p forktrace --lib screen_tests
fn golden(name: &str, records: &[Record]) {
    for width in [80, 120] {
        let text = printed(records, width, Look::PLAIN);
        let file = format!("src/view/records/text/golden/{name}.{width}.txt");
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        if std::env::var_os("FORKTRACE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, wanted, "{name} at {width} columns");
        let long = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("now "));
        for line in long.filter(|line| line.contains(' ')) {
            assert!(textwrap::core::display_width(line) <= width, "{line}");
        }
    }
}

#[test]
fn scenes() {
    golden("short_processes", &short_processes());
    golden("fork_bomb", &fork_bomb());
    golden("java", &java());
    golden("postgres", &postgres());
    golden("nginx", &nginx());
    golden("several_limits", &several_limits());
}

fn lines(records: &[Record]) -> usize {
    printed(records, 80, Look::PLAIN).lines().count()
}

#[test]
fn four_hundred_refusals_of_one_limit_are_forty_lines_at_most() {
    assert!(lines(&short_processes()) <= 40);
    assert!(
        lines(&fork_bomb()) <= 48,
        "{}",
        printed(&fork_bomb(), 80, Look::PLAIN)
    );
}

#[test]
fn each_is_printed_in_full_where_that_is_asked_for() {
    let each = Look {
        each: true,
        ..Look::PLAIN
    };
    let text = printed(&short_processes(), 80, each);
    assert_eq!(text.matches("  why     ").count(), 400);
    let text = printed(&java(), 80, each);
    assert!(
        text.contains("  … 428 more like this until 08:35:40\n"),
        "{text}"
    );
}

/// No failure is left out of the counts: what is said for itself and what is counted make all.
#[test]
fn every_attempt_is_said_once() {
    for records in [
        short_processes(),
        fork_bomb(),
        java(),
        postgres(),
        several_limits(),
    ] {
        let text = printed(&records, 200, Look::PLAIN);
        let text = text.split("failed attempt").next().unwrap();
        let own = text
            .lines()
            .filter(|line| line.contains(" EAGAIN "))
            .count() as u64;
        let counted = text.lines().filter_map(|line| {
            let (_, rest) = line.split_once("… ")?;
            rest.split(' ').next()?.parse::<u64>().ok()
        });
        let all: u64 = records
            .iter()
            .map(|record| match record {
                Record::Failure(_) => 1,
                Record::Repeat(repeat) => repeat.count,
                _ => 0,
            })
            .sum();
        assert_eq!(own + counted.sum::<u64>(), all, "{text}");
    }
}

#[test]
fn in_full_again_after_a_minute_and_where_value_holders_or_advice_change() {
    let full = |change: &dyn Fn(&mut Failure), milliseconds: u64| {
        let mut scene = Scene::new();
        for (n, milliseconds) in [(0, 0), (1, 10), (2, milliseconds)] {
            scene.refuse(milliseconds, |f| {
                called(f, "sh", 20_000 + n);
                limit(f, "/a", 10, 10);
                f.holders = vec![holder("sh", 9, 0, None)];
                if n == 2 {
                    change(f);
                }
            });
        }
        printed(&scene.end(milliseconds), 80, Look::PLAIN)
            .matches("  why     ")
            .count()
    };
    assert_eq!(full(&|_| (), 20), 1);
    assert_eq!(full(&|f| f.errno = Errno::ENOMEM, 20), 1);
    assert_eq!(full(&|_| (), 60_000), 2);
    assert_eq!(full(&|f| limit(f, "/a", 20, 20), 20), 2);
    assert_eq!(
        full(&|f| f.holders = vec![holder("java", 9, 0, None)], 20),
        2
    );
    assert_eq!(full(&|f| f.holders = vec![holder("sh", 8, 0, None)], 20), 1);
    assert_eq!(full(&|f| f.holders.clear(), 20), 1);
    let note = |f: &mut Failure| f.fix[0].note = Some("7 are idle".to_owned());
    assert_eq!(full(&note, 20), 2);
    assert_eq!(full(&|f| f.fix.clear(), 20), 1);
}

/// Names and advice that never are the same twice don't bring the flood back.
#[test]
fn what_changes_each_time_is_not_printed_each_time() {
    let mut scene = Scene::new();
    for n in 0..1000_u64 {
        scene.refuse(n, |f| {
            called(f, &format!("p{n}"), 20_000 + n as u32);
            limit(f, "/a", 10 + n, 10);
            f.holders = vec![holder(&format!("h{n}"), 9, 0, None)];
            let letters = format!("{n:b}").replace('0', "a").replace('1', "b");
            f.fix[0].note = Some(format!("see {letters}"));
        });
    }
    let text = printed(&scene.end(1000), 80, Look::PLAIN);
    assert!(text.lines().count() < 330, "{text}");
}

/// Of a thousand limits at once a few are printed in full, and all are counted.
#[test]
fn a_storm_of_limits_stays_readable() {
    let mut scene = Scene::new();
    for n in 0..3000_u64 {
        scene.refuse(n, |f| {
            called(f, "sh", 20_000 + n as u32);
            limit(f, &format!("/c{}", n % 1000), 10, 10);
        });
    }
    let text = printed(&scene.end(3100), 80, Look::PLAIN);
    assert!(text.lines().count() < 280, "{text}");
    assert!(text.matches("  why     ").count() <= 12);
}

/// The clock's time: counts come by themselves.
#[test]
fn live_counts_wait_for_nothing() {
    let mut out = Vec::new();
    let look = Look {
        live: true,
        ..Look::PLAIN
    };
    let mut screen = open(Box::new(&mut out), look);
    for record in &java()[..18] {
        screen.show(record).unwrap();
    }
    let due = screen.due().unwrap();
    let wait = due.saturating_duration_since(Instant::now());
    assert!(wait.as_secs() < 3, "{wait:?}");
    std::thread::sleep(wait);
    screen.pass().unwrap();
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("in all 444 attempts by java[3100]"), "{text}");
}

/// On a terminal the count is printed over, and stays when it has come to its end.
#[test]
fn on_a_terminal_the_count_moves() {
    let mut out = Vec::new();
    let look = Look {
        live: true,
        moves: true,
        ..Look::PLAIN
    };
    let mut screen = open(Box::new(&mut out), look);
    for record in &java()[..18] {
        screen.show(record).unwrap();
    }
    // Nothing is due that would stay before it has come to its end.
    let due = screen
        .due()
        .unwrap()
        .saturating_duration_since(Instant::now());
    assert!(
        due < Duration::from_secs(1) || due > Duration::from_secs(4),
        "{due:?}"
    );
    std::thread::sleep(Duration::from_millis(300));
    screen.pass().unwrap();
    let due = screen
        .due()
        .unwrap()
        .saturating_duration_since(Instant::now());
    assert!(due > Duration::from_secs(3), "{due:?}");
    screen.settle().unwrap();
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("\r\x1b[K"), "{text:?}");
    assert!(
        text.trim_end().ends_with("a second") && text.ends_with('\n'),
        "{text:?}"
    );
}

/// What is said while it happens and what is summed up at the end are one number.
#[test]
fn the_line_and_the_table_agree_on_how_many_came_in_a_second() {
    for start in [0, 300, 950] {
        let mut scene = Scene::new();
        for n in 0..6_u64 {
            scene.refuse(start + n * 12, |f| {
                called(f, "sh", 20_000);
                limit(f, "/a", 10, 10);
            });
        }
        scene.repeat(33, start + 100, start + 700, Alike::Process);
        scene.repeat(22, start + 750, start + 1150, Alike::Process);
        let text = printed(&scene.end(2500), 200, Look::PLAIN);
        let said = text.split_once("up to ").unwrap().1;
        let said = said.split(' ').next().unwrap();
        let row = text.lines().last().unwrap();
        assert_eq!(row.split_whitespace().nth(4), Some(said), "{text}");
        // Six, all of the first repeats, and as many of the others as came in the same second.
        assert!((50..=54).contains(&said.parse::<u64>().unwrap()), "{text}");
    }
}

/// What had no room in full is named with its numbers, and nothing is more than nothing.
#[test]
fn limits_without_advice_are_said_to_be() {
    let mut scene = Scene::new();
    for n in 0..200_u64 {
        scene.refuse(n, |f| {
            called(f, "sh", 20_000 + n as u32);
            limit(f, &format!("/c{}", n % 60), 10, 10);
        });
    }
    let text = printed(&scene.end(3000), 200, Look::PLAIN);
    assert_eq!(text.matches("  why     ").count(), 12, "{text}");
    let said = "… 48 limits without advice above: --each prints every failure in full\n";
    assert_eq!(text.matches(said).count(), 1, "{text}");
    let first = " … 3 attempts by 3 processes of sh, each once: pids.max of /c59: 10 of 10\n";
    assert!(text.contains(first), "{text}");
    let one = printed(&nginx(), 200, Look::PLAIN);
    assert!(!one.contains("without advice above"), "{one}");
}

/// A count that is due anew after a silence is not dated before what it counts.
#[test]
fn times_rise() {
    let mut scene = Scene::new();
    for begin in [0, 50_000, 55_000] {
        for n in 0..40_u64 {
            scene.refuse(begin + n * 100, |f| {
                called(f, "sh", 20_000 + n as u32);
                // A new one is printed at once, with its time.
                let cgroup = match n {
                    0 => format!("/new{begin}"),
                    n => format!("/{}", n % 2),
                };
                limit(f, &cgroup, 10, 10);
            });
        }
    }
    let text = printed(&scene.end(90_000), 200, Look::PLAIN);
    let clocks = text
        .lines()
        .filter(|line| line.as_bytes().get(2) == Some(&b':'));
    let clocks: Vec<&str> = clocks.map(|line| &line[..8]).collect();
    assert!(clocks.is_sorted() && clocks.len() > 8, "{text}");
}

/// What changes comes before what the terminal's edge may cut.
#[test]
fn a_count_that_moves_begins_with_its_numbers() {
    let mut out = Vec::new();
    let look = Look {
        live: true,
        moves: true,
        width: 40,
        ..Look::PLAIN
    };
    let mut screen = open(Box::new(&mut out), look);
    for record in &java()[..18] {
        screen.show(record).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    screen.pass().unwrap();
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.ends_with("… 443 more, in all 444 attempts by jav…"),
        "{text:?}"
    );
}

/// Every width that is used, with colours too; commands and single words aside.
#[test]
fn headlines_keep_to_the_width() {
    let mut scene = Scene::new();
    scene.refuse(0, |f| {
        called(f, "java", 3100);
        "http-nio-8080-e".clone_into(&mut f.caller.comm);
        f.certainty = Certainty::Inferred;
        f.operation = Operation::Thread;
        f.syscall = Some("clone3".to_owned());
        limit(f, "/x", 8, 8);
    });
    let records = scene.end(1000);
    for width in [40, 56, 80] {
        for colours in [false, true] {
            let look = Look {
                colours,
                ..Look::PLAIN
            };
            let text = printed(&records, width, look);
            let long = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("now "));
            for line in long {
                assert!(textwrap::core::display_width(line) <= width, "{text}");
            }
        }
    }
}

/// Who is counted by user and cgroup is no other than who has a row.
#[test]
fn repeats_of_short_processes_are_none_of_others() {
    let digest = |alike| {
        let mut scene = Scene::new();
        for n in 0..256_u64 {
            scene.refuse(n, |f| {
                called(f, "python3", 20_000 + n as u32);
                limit(f, "/a", 3, 3);
            });
        }
        scene.repeat(144, 260, 900, alike);
        let text = printed(&scene.end(1000), 80, Look::PLAIN);
        text.split_once("What to do first").unwrap().1.to_owned()
    };
    let text = digest(Alike::UserAndCgroup);
    let said = "  144 more of the same users and cgroups, program not recorded\n";
    assert!(text.contains(said) && !text.contains("of others"), "{text}");
    let text = digest(Alike::Check);
    for said in [
        "  144 more by the same checks, program not recorded\n",
        "  144 more by the same checks, limit not recorded\n",
    ] {
        assert!(text.contains(said) && !text.contains("of others"), "{text}");
    }
}
