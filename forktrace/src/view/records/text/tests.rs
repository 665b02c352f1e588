use super::{
    words::{group_title, who},
    *,
};
use crate::{
    model::is_harmful,
    record::{Constraint, oom_kill::tests::kill},
};

#[test]
fn what_failures_have_in_common_is_called_by_its_name() {
    let mut f = crate::report::tests::failure(1, "2026-01-01T08:35:40Z");
    f.limit = None;
    f.cgroup.path = Some("/".to_owned());
    f.cause = crate::model::Cause::Unknown;
    assert_eq!(group_title(&f), "cause unknown, in /");
    f.cause = crate::model::Cause::Lsm;
    assert_eq!(group_title(&f), "lsm in /");
}

#[test]
fn a_pod_and_its_container_are_called_by_name_where_it_is_known() {
    let mut f = crate::report::tests::failure(1, "2026-01-01T08:35:40Z");
    f.cgroup.container = Some("3f1c0a5ce9b44c1f8d27ab6e05a1f3c2".to_owned());
    f.cgroup.pod = Some("5b8c2f9e-3d41".to_owned());
    let unnamed = ", container 3f1c0a5ce9b4, pod 5b8c2f9e-3d41";
    assert!(who(&f).ends_with(unnamed), "{}", who(&f));
    f.cgroup.namespace = Some("shop".to_owned());
    f.cgroup.pod_name = Some("web-0".to_owned());
    f.cgroup.container_name = Some("php".to_owned());
    f.cgroup.qos = Some(crate::model::Qos::Burstable);
    let named = ", container php (3f1c0a5ce9b4), pod shop/web-0 (Burstable)";
    assert!(who(&f).ends_with(named), "{}", who(&f));
}

fn shown(kill: OomKill, verbosity: Verbosity) -> String {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false, verbosity, 80);
    screen.show(&Record::OomKill(Box::new(kill))).unwrap();
    drop(screen);
    String::from_utf8(out).unwrap()
}

#[test]
fn an_oom_kill_is_one_calm_line() {
    let at = "2026-01-01T13:14:15Z";
    assert_eq!(
        shown(kill(at), Verbosity::Normal),
        "— 2026-01-01, times are UTC —\n13:14:15 OOM kill: postgres (pid 812) in /x/y.service, by \
         memory.max of /x (64.0 MiB, in use 64.0 MiB)\n"
    );
    let mut other = kill(at);
    other.limit = None;
    other.constraint = Some(Constraint::None);
    other.victim.comm = "a\nb".to_owned();
    other.already_dying = Some(true);
    assert_eq!(
        shown(other, Verbosity::Normal),
        "— 2026-01-01, times are UTC —\n13:14:15 OOM kill: a\\u{a}b (pid 812) in /x/y.service: the \
         host had none left, or sysrq asked for it; it was dying already\n"
    );
    assert_eq!(shown(kill(at), Verbosity::Quiet), "");
}

fn session(started: &str) -> Session {
    serde_json::from_value(serde_json::json!({
        "schema": 1, "version": "0.1.0", "host": "web-1", "kernel": "6.12.0", "attach": "fexit",
        "probes": [], "absent": [], "limits": {}, "started": started,
        "filters": {"cause": "lsm"},
    }))
    .unwrap()
}

fn printed(records: &[Record], verbosity: Verbosity, recorded: bool) -> String {
    let mut out = Vec::new();
    let mut screen = Screen {
        recorded,
        ..Screen::new(&mut out, false, verbosity, 80)
    };
    for record in records {
        screen.show(record).unwrap();
    }
    drop(screen);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_session_line_has_the_offset_the_filters_and_whole_words() {
    let session = Record::Session(Box::new(session("2026-01-01T13:14:15.5Z")));
    assert_eq!(
        printed(std::slice::from_ref(&session), Verbosity::Normal, false),
        "forktrace 0.1.0 on web-1 (Linux 6.12.0), attached by fexit, 2026-01-01 13:14:15\nUTC; \
         only cause=lsm. Ctrl-C ends.\n"
    );
    // Nothing typed ends what was.
    let recorded = printed(&[session], Verbosity::Normal, true);
    assert!(recorded.ends_with("cause=lsm.\n"), "{recorded}");
}

/// Counts are of the time at which they were made, though the clock had been ahead by years.
#[test]
fn a_clock_that_was_set_back_takes_counts_with_it() {
    let failed = |seq, time: &str| crate::report::tests::failed(seq, time);
    let records = [
        failed(1, "2038-01-19T03:14:00Z"),
        failed(2, "2038-01-19T03:14:01Z"),
        failed(3, "2038-01-19T03:14:01Z"),
        failed(4, "2026-01-01T10:00:00Z"),
        failed(5, "2026-01-01T10:00:01Z"),
        failed(6, "2026-01-01T10:00:30Z"),
    ];
    let text = printed(&records, Verbosity::Normal, true);
    let (ahead, back) = text.split_once("— 2026-01-01 —").unwrap();
    assert!(ahead.contains("\n03:14:01 … 2 more"), "{text}");
    assert!(!back.contains("03:14"), "{text}");
    assert!(back.contains("\n10:00:"), "{text}");
}

#[test]
fn each_day_is_said_once() {
    let kills = |times: &[&str]| -> Vec<Record> {
        let kill = |at: &&str| Record::OomKill(Box::new(kill(at)));
        let begin = Record::Session(Box::new(session("2026-01-01T23:59:00Z")));
        std::iter::once(begin)
            .chain(times.iter().map(kill))
            .collect()
    };
    let records = kills(&[
        "2026-01-01T23:59:59Z",
        "2026-01-02T00:00:00Z",
        "2026-01-02T09:00:00Z",
        "2026-01-05T09:00:00Z",
    ]);
    let text = printed(&records, Verbosity::Normal, true);
    let starts: Vec<&str> = text
        .lines()
        .skip(2)
        .map(|line| line.split(" OOM").next().unwrap())
        .collect();
    assert_eq!(
        starts,
        [
            "23:59:59",
            "— 2026-01-02 —",
            "00:00:00",
            "09:00:00",
            "— 2026-01-05 —",
            "09:00:00"
        ]
    );
    let verbose = printed(&records, Verbosity::Verbose, true);
    assert!(!verbose.contains('—'), "{verbose}");
    assert!(
        verbose.contains("\n2026-01-05T09:00:00.000000+00:00 OOM"),
        "{verbose}"
    );
}

#[test]
fn a_quiet_screen_says_which_zone_its_times_are_of() {
    let day = |offset: &str| Day {
        date: "2026-01-01".to_owned(),
        offset: offset.to_owned(),
    };
    assert!(says_day(Verbosity::Quiet, None, &day("+02:00")));
    assert!(!says_day(Verbosity::Quiet, None, &day("UTC")));
    assert!(says_day(
        Verbosity::Quiet,
        Some(&day("UTC")),
        &day("+02:00")
    ));
    assert!(says_day(Verbosity::Normal, None, &day("UTC")));
    assert!(!says_day(Verbosity::Verbose, None, &day("+02:00")));
}

#[test]
fn nothing_is_said_of_what_was_looked_for_alone() {
    let of = |filters: &[(&str, &str)]| {
        let filters = filters
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        nothing(&filters.collect(), false, None)
    };
    let counted = |others| nothing(&BTreeMap::new(), false, Some(others));
    assert_eq!(
        counted(3),
        "No failed creation with EAGAIN or ENOMEM, but 3 creations with other errnos: --errno all."
    );
    assert_eq!(counted(0), "No failed creation, whatever the errno.");
    assert!(of(&[]).contains("EAGAIN or ENOMEM (other errnos: --errno all)"));
    assert!(nothing(&BTreeMap::new(), true, None).contains("the filters given"));
    assert_eq!(of(&[("errno", "all")]), "No failed creation.");
    assert_eq!(
        of(&[("errno", "EBUSY"), ("uid", "7")]),
        "No failed creation with EBUSY (other errnos: --errno all), of those that uid=7 lets through."
    );
    let command = of(&[("command", "sh -c 'exit 3'")]);
    assert!(
        command.ends_with("--errno all), by `sh -c 'exit 3'` or its descendants."),
        "{command}"
    );
}

#[test]
fn the_summary_counts_them_apart() {
    let mut out = Vec::new();
    let mut screen = Screen::new(&mut out, false, Verbosity::Normal, 80);
    let end = Summary {
        oom_kills: 2,
        ..Summary::default()
    };
    screen.show(&Record::Summary(end)).unwrap();
    drop(screen);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        "2 OOM kills\nNo failed creation with EAGAIN or ENOMEM (other errnos: --errno all).\n"
    );
}

/// What a terminal would obey, what would begin a line, what would turn the rest round.
const HOSTILE: &str = "x\u{1b}[31m\u{9b}2J\r\nfaked\u{202e}\u{2066}\u{61c}\u{200b}";

/// Each text in it becomes hostile that may be any text, and each map gets a hostile key.
fn with_hostile_texts(line: &str) -> Record {
    /// Where there are texts, and where there are fields.
    fn find(value: &serde_json::Value, at: &str, texts: &mut Vec<String>, maps: &mut Vec<String>) {
        let below: Vec<_> = match value {
            serde_json::Value::String(_) => return texts.push(at.to_owned()),
            serde_json::Value::Array(list) => {
                let numbered = list.iter().enumerate();
                numbered.map(|(n, value)| (n.to_string(), value)).collect()
            }
            serde_json::Value::Object(fields) => {
                maps.push(at.to_owned());
                let named = fields.iter();
                named.map(|(name, value)| (name.clone(), value)).collect()
            }
            _ => return,
        };
        for (name, value) in below {
            find(value, &format!("{at}/{name}"), texts, maps);
        }
    }
    let mut record: serde_json::Value = serde_json::from_str(line).unwrap();
    let (mut texts, mut maps) = (Vec::new(), Vec::new());
    find(&record, "", &mut texts, &mut maps);
    let mut change = |at: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let before = record.clone();
        change(record.pointer_mut(at).unwrap());
        if serde_json::from_value::<Record>(record.clone()).is_err() {
            record = before;
        }
    };
    for at in &texts {
        change(at, &|text| *text = HOSTILE.into());
    }
    for at in &maps {
        change(at, &|map| {
            let fields = map.as_object_mut().unwrap();
            if let Some(value) = fields.values().next().cloned() {
                fields.insert(HOSTILE.to_owned(), value);
            }
        });
    }
    serde_json::from_value(record).unwrap()
}

#[test]
fn no_text_of_a_record_reaches_the_terminal_as_it_is() {
    let lines = [
        include_str!("../../../../tests/data/schema-1.ndjson"),
        include_str!("../../../../tests/data/oom-kill.ndjson"),
    ];
    let mut seen = 0;
    for line in lines.iter().flat_map(|lines| lines.lines()) {
        let records = [with_hostile_texts(line)];
        for verbosity in [Verbosity::Quiet, Verbosity::Normal, Verbosity::Verbose] {
            let text = printed(&records, verbosity, false);
            let harmful = text.chars().find(|c| *c != '\n' && is_harmful(*c));
            assert_eq!(harmful, None, "{line}\n{text}");
            let begins = text.lines().find(|line| line.starts_with("faked"));
            assert_eq!(begins, None, "{line}");
            seen += text.matches("\\u{202e}").count();
        }
    }
    assert!(seen > 100, "{seen}");
}
